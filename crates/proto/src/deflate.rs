//! deflate
