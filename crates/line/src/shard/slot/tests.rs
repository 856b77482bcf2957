//! One connection over a wire of the test, with the test's own clock: nothing waits for anything.

mod bench;
mod closing;
mod delivering;
mod failing;
mod long;
mod opening;
mod ordering;
mod reading;
mod timing;
mod writing;
