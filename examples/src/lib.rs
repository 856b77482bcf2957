//! Nothing but tests: that the documents and the examples say the same, and that the code in the
//! guides compiles.
