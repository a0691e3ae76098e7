//! Verdicts, models, checkers and explanations
