//! Values in, bytes out: terminal, JSON, JUnit, HTML
