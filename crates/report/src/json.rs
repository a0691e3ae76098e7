//! `results.json`: [`Results`] as pretty JSON, and back.

use std::fmt;

use crate::results::{FORMAT, Results};

/// The results as pretty JSON, with a newline at the end.
pub fn json(results: &Results) -> String {
    let mut text = serde_json::to_string_pretty(results).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"));
    text.push('\n');
    text
}

/// Reads `results.json` of this version or an older one.
pub fn parse(text: &str) -> Result<Results, ParseError> {
    if !text.trim_start().starts_with('{') {
        return Err(ParseError::Json("not a JSON object".into()));
    }
    let results: Results = serde_json::from_str(text).map_err(|error| ParseError::Json(error.to_string()))?;
    if results.format > FORMAT { Err(ParseError::Newer(results.format)) } else { Ok(results) }
}

/// Why a `results.json` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// It is not JSON, or a field has the wrong type.
    Json(String),
    /// A newer assize wrote it.
    Newer(u32),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Json(error) => write!(f, "not the results of a run: {error}"),
            ParseError::Newer(format) => {
                write!(f, "written in format {format}, but this assize knows formats up to {FORMAT}; use a newer one")
            }
        }
    }
}

impl std::error::Error for ParseError {}
