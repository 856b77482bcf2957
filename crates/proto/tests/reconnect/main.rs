//! Coming back: the cases that all languages share, and what holds in every order of events.

mod properties;
mod vectors;
mod world;
