//! From a name to a TCP connection, with all that happened on the way.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::timing::Millis;
use super::trouble::Trouble;

/// What was learned about a host.
#[derive(Debug, Default, Serialize)]
pub(super) struct Dialing {
    /// How long the name took to resolve; none for an address.
    pub(super) name_ms: Option<Millis>,
    /// What it resolved to, in the system's order.
    pub(super) addresses: Vec<SocketAddr>,
    /// What was tried, in the order it was.
    pub(super) attempts: Vec<Attempt>,
    /// How long it took until one address was connected.
    pub(super) tcp_ms: Option<Millis>,
    /// The address that is connected.
    pub(super) connected: Option<SocketAddr>,
}

/// One address that was tried.
#[derive(Debug, Serialize)]
pub(super) struct Attempt {
    pub(super) address: SocketAddr,
    /// `connected`, `slower` than another one, or what the system said.
    pub(super) outcome: String,
    /// How long it took to end so.
    pub(super) took_ms: Millis,
    #[serde(skip)]
    started: Instant,
}

/// How long an address may be silent until the next one is tried too (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);

/// Resolves the name and connects to the first address that answers, the families raced.
pub(super) async fn dial(
    (host, port): (&str, u16),
    limit: Duration,
    dialing: &mut Dialing,
) -> Result<TcpStream, Trouble> {
    match host.parse::<IpAddr>() {
        Ok(address) => dialing.addresses.push((address, port).into()),
        Err(_) => resolve((host, port), limit, dialing).await?,
    }
    if dialing.addresses.is_empty() {
        return Err(Trouble::Name("the name has no address".to_owned()));
    }
    let begin = Instant::now();
    let connected = race(&dialing.addresses, begin + limit, &mut dialing.attempts).await;
    dialing.tcp_ms = Some(Millis(begin.elapsed()));
    let (tcp, address) = connected?;
    dialing.connected = Some(address);
    // Small frames must not wait for each other; without it the times are worse, not wrong.
    drop(tcp.set_nodelay(true));
    Ok(tcp)
}

async fn resolve(
    place: (&str, u16),
    limit: Duration,
    dialing: &mut Dialing,
) -> Result<(), Trouble> {
    let begin = Instant::now();
    let found = timeout_at(begin + limit, tokio::net::lookup_host(place)).await;
    dialing.name_ms = Some(Millis(begin.elapsed()));
    dialing.addresses = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => return Err(Trouble::Name(error.to_string())),
        Err(_) => return Err(Trouble::Name("the answer took too long".to_owned())),
    };
    Ok(())
}

async fn race(
    addresses: &[SocketAddr],
    until: Instant,
    attempts: &mut Vec<Attempt>,
) -> Result<(TcpStream, SocketAddr), Trouble> {
    let mut waiting = by_turns(addresses).into_iter();
    let mut running: JoinSet<(usize, io::Result<TcpStream>)> = JoinSet::new();
    let mut next_at = Instant::now();
    loop {
        // A timer would be late by up to a millisecond, which is more than many connections take.
        if next_at <= Instant::now()
            && let Some(address) = waiting.next()
        {
            let index = attempts.len();
            attempts.push(Attempt::begin(address));
            running.spawn(async move { (index, TcpStream::connect(address).await) });
            next_at = Instant::now() + STAGGER;
        }
        let ended = tokio::select! {
            biased;
            Some(ended) = running.join_next() => ended,
            () = sleep_until(next_at), if waiting.len() > 0 => continue,
            () = sleep_until(until) => {
                settle(attempts, "no answer");
                return Err(Trouble::Connect("no answer came in time".to_owned()));
            }
        };
        // A task of ours neither panics nor is cancelled.
        let Ok((index, result)) = ended else { continue };
        match result {
            Ok(tcp) => {
                attempts[index].end("connected");
                settle(attempts, "slower");
                return Ok((tcp, attempts[index].address));
            }
            Err(error) => {
                attempts[index].end(&error.kind().to_string());
                if running.is_empty() && waiting.len() == 0 {
                    return Err(Trouble::Connect(error.to_string()));
                }
                next_at = Instant::now();
            }
        }
    }
}

impl Attempt {
    fn begin(address: SocketAddr) -> Self {
        Self {
            address,
            outcome: String::new(),
            took_ms: Millis::default(),
            started: Instant::now(),
        }
    }

    fn end(&mut self, outcome: &str) {
        self.outcome = outcome.to_owned();
        self.took_ms = Millis(self.started.elapsed());
    }
}

/// Ends the attempts that are still under way.
fn settle(attempts: &mut [Attempt], outcome: &str) {
    for attempt in attempts
        .iter_mut()
        .filter(|attempt| attempt.outcome.is_empty())
    {
        attempt.end(outcome);
    }
}

/// The families by turns, beginning with that of the first address (RFC 8305 §4).
fn by_turns(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let is_first = |address: &&SocketAddr| {
        addresses
            .first()
            .is_some_and(|first| first.is_ipv6() == address.is_ipv6())
    };
    let mut first = addresses.iter().filter(is_first);
    let mut second = addresses.iter().filter(|address| !is_first(address));
    let mut ordered = Vec::with_capacity(addresses.len());
    while ordered.len() < addresses.len() {
        ordered.extend(first.next());
        ordered.extend(second.next());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let addresses = parse(&["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"]);

        let ordered = parse(&["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"]);
        assert_eq!(by_turns(&addresses), ordered);
        assert_eq!(by_turns(&[]), []);
    }

    #[tokio::test]
    async fn address_that_refuses_is_told_and_passed_by() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let refusing = SocketAddr::new([127, 0, 0, 2].into(), here.port());
        let until = Instant::now() + Duration::from_secs(5);
        let mut attempts = Vec::new();

        let connected = race(&[refusing, here], until, &mut attempts).await;

        assert_eq!(connected.unwrap().1, here);
        let outcomes: Vec<&str> = attempts.iter().map(|attempt| &*attempt.outcome).collect();
        assert_eq!(outcomes, ["connection refused", "connected"]);
    }
}
