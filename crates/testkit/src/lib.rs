//! For tests only: timeline notation, transcripts, small histories
