//! holdwire
