//! Tokens: who says so, whether it is true, and what follows from it.
//!
//! ```text
//!  token ──► header ──► key, of the configuration or the key set ──► signature ──► claims ──► Policy
//! ```
//!
//! A key has its algorithms, and a token picks none but one of them. What is refused is counted by
//! its reason and never repeated: no error and no line of the log has a token in it.

mod claims;
mod fetch;
mod key;
mod make;
mod policy;
mod refusal;
mod ring;
mod run;
mod set;
mod verifier;

pub use claims::Claims;
pub use key::{ALGORITHMS, Key, algorithm_names};
pub use make::{Wish, make};
pub use policy::Tokens;
pub use refusal::Refusal;
pub use run::{check_token, make_token};
pub use set::{KeySet, SetSource};
pub use verifier::{Rules, Verifier};
