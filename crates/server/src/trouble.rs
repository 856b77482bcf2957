//! Trouble on purpose: what a page may do to its own connections, to see them come back.
//!
//! A page makes up an id and names it when it connects, as `/?page=ID`. Whoever knows the id and
//! the token of this start, which only the served page does, may trouble the connections of that
//! page and no others. Connections without an id cost nothing here.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;

/// How long a held connection plays dead.
pub const HOLD: Duration = Duration::from_secs(60);

/// How many handshakes are refused when a page asks for it, and for how long at most.
const REFUSALS: u8 = 3;
const REFUSE_FOR: Duration = Duration::from_secs(60);

/// Pages that are known at a time, and connections of each. Beyond them a connection is served,
/// but cannot be troubled.
const MAX_PAGES: usize = 1024;
const MAX_CONNECTIONS: usize = 8;

/// Troubles that a page may cause within a window.
const MAX_ASKED: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// The id that a page made up: 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageId(u128);

impl PageId {
    /// The id in the query of a handshake, `page=ID`, if there is a legal one.
    pub fn of_query(query: Option<&str>) -> Option<Self> {
        let mut fields = query?.split('&');
        fields.find_map(|field| field.strip_prefix("page=")?.parse().ok())
    }
}

impl FromStr for PageId {
    type Err = InvalidPageId;

    fn from_str(text: &str) -> Result<Self, InvalidPageId> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return Err(InvalidPageId);
        }
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| InvalidPageId)
    }
}

/// The text is no page id: 32 hexadecimal digits in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPageId;

impl fmt::Display for InvalidPageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not 32 hexadecimal digits in lower case")
    }
}

/// What proves that a request comes from a page that this server served since it started.
pub struct Token(String);

impl Token {
    pub(crate) fn random() -> Self {
        let bytes: [u8; 16] = rand::random();
        let mut text = String::with_capacity(32);
        for byte in bytes {
            // A String takes all that is written to it.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// The text, for the page alone.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the token; how long that takes tells nothing about where they differ.
    pub fn is(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is closed at once, without a Close frame.
    Drop,
    /// It plays dead for [`HOLD`]: nothing is read, written or answered.
    Hold,
}

/// Why there was no trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTrouble {
    /// The page has no connection that could be troubled.
    NoConnection,
    /// The page has asked too often; it may again after this time.
    TooOften(Duration),
}

/// Does to a connection what its page asked for.
type Suffer = Box<dyn Fn(Trouble) + Send>;

/// The pages that are connected, and what they asked for.
pub struct Troubles {
    token: Token,
    pages: Mutex<HashMap<PageId, Page>>,
}

struct Page {
    connections: Vec<(u64, Suffer)>,
    next: u64,
    refusals: u8,
    refuse_until: Instant,
    asked: u32,
    window_end: Instant,
}

impl Troubles {
    /// No pages, and a new token.
    pub fn new() -> Self {
        Self {
            token: Token::random(),
            pages: Mutex::default(),
        }
    }

    /// The token of this start.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Registers a connection of the page, which suffers what the page asks for, for as long as the
    /// result lives; `None` when there are too many.
    pub fn enter(
        self: &Arc<Self>,
        page: PageId,
        now: Instant,
        suffer: impl Fn(Trouble) + Send + 'static,
    ) -> Option<Troubled> {
        let mut pages = self.lock();
        if pages.len() >= MAX_PAGES && !pages.contains_key(&page) {
            pages.retain(|_, page| page.is_needed(now));
            if pages.len() >= MAX_PAGES {
                return None;
            }
        }
        let entry = pages.entry(page).or_insert_with(|| Page::new(now));
        if entry.connections.len() >= MAX_CONNECTIONS {
            return None;
        }
        let number = entry.next;
        entry.next += 1;
        entry.connections.push((number, Box::new(suffer)));
        Some(Troubled {
            troubles: Arc::clone(self),
            page,
            number,
        })
    }

    /// Troubles every connection of the page; how many there are.
    ///
    /// # Errors
    /// When it has none, or asks too often.
    pub fn cause(&self, page: PageId, trouble: Trouble, now: Instant) -> Result<usize, NoTrouble> {
        let mut pages = self.lock();
        let page = asking(&mut pages, page, now)?;
        for (_, suffer) in &page.connections {
            suffer(trouble);
        }
        Ok(page.connections.len())
    }

    /// From now on the page's next handshakes are refused; how many.
    ///
    /// # Errors
    /// When it has no connection, or asks too often.
    pub fn refuse(&self, page: PageId, now: Instant) -> Result<usize, NoTrouble> {
        let mut pages = self.lock();
        let page = asking(&mut pages, page, now)?;
        page.refusals = REFUSALS;
        page.refuse_until = now + REFUSE_FOR;
        Ok(REFUSALS.into())
    }

    /// Whether this handshake of the page is to be refused; it counts as one.
    pub fn takes_refusal(&self, page: PageId, now: Instant) -> bool {
        let mut pages = self.lock();
        let Some(page) = pages.get_mut(&page).filter(|page| page.refuses(now)) else {
            return false;
        };
        page.refusals -= 1;
        true
    }

    fn leave(&self, page: PageId, number: u64, now: Instant) {
        let mut pages = self.lock();
        let Some(entry) = pages.get_mut(&page) else {
            return;
        };
        entry.connections.retain(|(own, _)| *own != number);
        if !entry.is_needed(now) {
            pages.remove(&page);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PageId, Page>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pages = self.lock().len();
        f.debug_struct("Troubles")
            .field("pages", &pages)
            .finish_non_exhaustive()
    }
}

impl Default for Troubles {
    fn default() -> Self {
        Self::new()
    }
}

/// The page that asks, if it may.
fn asking(
    pages: &mut HashMap<PageId, Page>,
    page: PageId,
    now: Instant,
) -> Result<&mut Page, NoTrouble> {
    let connected = pages.get_mut(&page);
    let page = connected
        .filter(|page| !page.connections.is_empty())
        .ok_or(NoTrouble::NoConnection)?;
    if now >= page.window_end {
        page.asked = 0;
        page.window_end = now + WINDOW;
    }
    if page.asked >= MAX_ASKED {
        return Err(NoTrouble::TooOften(page.window_end - now));
    }
    page.asked += 1;
    Ok(page)
}

impl Page {
    fn new(now: Instant) -> Self {
        Self {
            connections: Vec::new(),
            next: 0,
            refusals: 0,
            refuse_until: now,
            asked: 0,
            window_end: now,
        }
    }

    fn refuses(&self, now: Instant) -> bool {
        self.refusals > 0 && now < self.refuse_until
    }

    /// Whether anything would be forgotten with it.
    fn is_needed(&self, now: Instant) -> bool {
        !self.connections.is_empty() || self.refuses(now) || now < self.window_end
    }
}

/// A connection of a page, as long as it is open.
#[derive(Debug)]
pub struct Troubled {
    troubles: Arc<Troubles>,
    page: PageId,
    number: u64,
}

impl Drop for Troubled {
    fn drop(&mut self) {
        self.troubles.leave(self.page, self.number, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PageId = PageId(0xa);
    const B: PageId = PageId(0xb);

    fn entered(troubles: &Arc<Troubles>, page: PageId, now: Instant) -> Troubled {
        let entered = troubles.enter(page, now, |_| {});
        entered.expect("there is room")
    }

    #[test]
    fn page_id_is_32_hexadecimal_digits_in_lower_case() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(
            PageId::of_query(Some(&format!("a=b&page={id}"))),
            id.parse().ok()
        );
        for query in [
            None,
            Some(""),
            Some("page"),
            Some("page="),
            Some("page=0123456789ABCDEF0123456789ABCDEF"),
            Some("page=+123456789abcdef0123456789abcdef"),
            Some("page=0123456789abcdef0123456789abcde"),
            Some("page=0123456789abcdef0123456789abcdef0"),
            Some("otherpage=0123456789abcdef0123456789abcdef"),
        ] {
            assert_eq!(PageId::of_query(query), None, "{query:?}");
        }
    }

    #[test]
    fn token_is_new_at_each_start_and_known_only_whole() {
        let (one, other) = (Token::random(), Token::random());

        assert_eq!(one.as_str().len(), 32);
        assert!(one.is(one.as_str()));
        assert!(!one.is(other.as_str()));
        assert!(!one.is(""));
        assert!(!one.is(&one.as_str()[..31]));
        assert_eq!(format!("{one:?}"), "Token");
    }

    #[test]
    fn trouble_reaches_all_connections_of_its_page_and_no_other() {
        let now = Instant::now();
        let troubles = Arc::new(Troubles::new());
        let (sender, suffered) = std::sync::mpsc::channel();
        let enter = |name: &'static str, page| {
            let sender = sender.clone();
            let suffer = move |trouble| sender.send((name, trouble)).unwrap();
            troubles.enter(page, now, suffer).expect("there is room")
        };
        let _connections = [enter("first", A), enter("second", A), enter("other", B)];

        assert_eq!(troubles.cause(A, Trouble::Drop, now), Ok(2));

        let all: Vec<_> = suffered.try_iter().collect();
        assert_eq!(all, [("first", Trouble::Drop), ("second", Trouble::Drop)]);
    }

    #[test]
    fn page_without_a_connection_causes_nothing() {
        let now = Instant::now();
        let troubles = Arc::new(Troubles::new());
        drop(entered(&troubles, A, now));

        assert_eq!(
            troubles.cause(A, Trouble::Hold, now),
            Err(NoTrouble::NoConnection)
        );
        assert_eq!(troubles.refuse(A, now), Err(NoTrouble::NoConnection));
        assert!(troubles.lock().is_empty());
    }

    #[test]
    fn three_handshakes_of_the_page_are_refused_while_it_stands() {
        let now = Instant::now();
        let troubles = Arc::new(Troubles::new());
        let connection = entered(&troubles, A, now);
        let _other = entered(&troubles, B, now);

        troubles.refuse(A, now).unwrap();
        drop(connection);

        assert!(!troubles.takes_refusal(B, now));
        let refused = (0..5).filter(|_| troubles.takes_refusal(A, now)).count();
        assert_eq!(refused, usize::from(REFUSALS));

        let connection = entered(&troubles, A, now);
        troubles.refuse(A, now).unwrap();
        drop(connection);
        assert!(!troubles.takes_refusal(A, now + REFUSE_FOR));
    }

    #[test]
    fn page_that_asks_too_often_waits_for_the_end_of_the_window() {
        let now = Instant::now();
        let troubles = Arc::new(Troubles::new());
        let _connection = entered(&troubles, A, now);
        for _ in 0..MAX_ASKED {
            troubles.cause(A, Trouble::Hold, now).unwrap();
        }

        let later = now + Duration::from_secs(4);
        let rest = WINDOW - Duration::from_secs(4);
        assert_eq!(troubles.refuse(A, later), Err(NoTrouble::TooOften(rest)));
        assert_eq!(troubles.cause(A, Trouble::Hold, now + WINDOW), Ok(1));
    }

    #[test]
    fn pages_and_their_connections_are_bounded_and_forgotten() {
        let now = Instant::now();
        let troubles = Arc::new(Troubles::new());
        let many: Vec<_> = (0..MAX_CONNECTIONS)
            .map(|_| entered(&troubles, A, now))
            .collect();
        assert!(troubles.enter(A, now, |_| {}).is_none());
        troubles.refuse(A, now).unwrap();
        drop(many);

        // The page has gone; what it asked for still stands, and so it takes a place.
        let others: Vec<_> = (1..MAX_PAGES)
            .map(|n| entered(&troubles, PageId(n as u128 + 0x100), now))
            .collect();
        assert!(troubles.enter(B, now, |_| {}).is_none());
        assert!(troubles.enter(B, now + REFUSE_FOR, |_| {}).is_some());
        assert!(!troubles.lock().contains_key(&A));
        drop(others);
        assert!(troubles.lock().len() <= 1);
    }
}
