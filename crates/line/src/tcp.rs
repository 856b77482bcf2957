//! What the kernel is told about a TCP socket, where it can be.

use std::time::Duration;

use holdwire_proto::Config;

/// Bytes that the kernel keeps unsent at most, so that a ping is not stuck behind a megabyte.
///
/// The slowest link that a live peer may have follows from it: what is unsent (this, and one
/// segment of up to 64 KiB) and what is under way must leave within the heartbeat's timeout.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT: u32 = 128 * 1024;

/// How long the kernel may try to deliver sent bytes: as long as the heartbeat would; `None`
/// where one of the configurations has no heartbeat.
pub(crate) fn patience<'a>(configs: impl IntoIterator<Item = &'a Config>) -> Option<Duration> {
    let mut longest = None;
    for config in configs {
        let bound = config.heartbeat?.bound(&config.limits);
        longest = longest.max(Some(bound));
    }
    longest
}

/// Sets `TCP_NOTSENT_LOWAT` and `TCP_USER_TIMEOUT`; on a listener, for all that it accepts.
///
/// A socket that cannot be told works all the same.
#[cfg(any(target_os = "android", target_os = "linux"))]
pub(crate) fn tune<S: std::os::fd::AsFd>(socket: &S, patience: Option<Duration>) {
    let socket = socket2::SockRef::from(socket);
    drop(socket.set_tcp_notsent_lowat(UNSENT));
    if patience.is_some() {
        drop(socket.set_tcp_user_timeout(patience));
    }
}

/// Connections that may wait to be accepted; the system may allow fewer (`net.core.somaxconn`).
///
/// Everybody who comes back at once is more than the 128 that a listener has otherwise: whose SYN
/// finds no place tries again a second later.
#[cfg(unix)]
const BACKLOG: i32 = 4096;

/// Lets more connections wait to be accepted than a listener does by itself.
#[cfg(unix)]
pub(crate) fn widen<S: std::os::fd::AsFd>(listener: &S) {
    // One that cannot be told works all the same.
    drop(socket2::SockRef::from(listener).listen(BACKLOG));
}

/// Nothing that this system could be told.
#[cfg(not(unix))]
pub(crate) fn widen<S>(_: &S) {}

/// Nothing that this system could be told.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
pub(crate) fn tune<S>(_: &S, _: Option<Duration>) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_socket_has_what_its_listener_was_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        tune(&listener, patience([&Config::default()]));

        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();

        let accepted = socket2::SockRef::from(&accepted);
        let timeout = accepted.tcp_user_timeout().unwrap();
        assert_eq!(timeout, Some(Duration::from_secs(45)));
        assert_eq!(accepted.tcp_notsent_lowat().unwrap(), UNSENT);
    }

    #[test]
    fn more_than_the_usual_128_can_wait_to_be_accepted() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        widen(&listener);
        let address = listener.local_addr().unwrap();

        // Nobody accepts: beyond the backlog no connection is made, however long one waits.
        let patience = Duration::from_secs(10);
        let waiting: Vec<_> = (0..400)
            .map(|_| std::net::TcpStream::connect_timeout(&address, patience).unwrap())
            .collect();

        assert_eq!(waiting.len(), 400);
    }

    #[test]
    fn an_endpoint_without_a_heartbeat_leaves_the_kernel_its_own_patience() {
        let [with, without] = [Config::default(), Config::default().heartbeat(None)];

        assert_eq!(patience([&with, &without]), None);
        assert_eq!(patience([&with]), Some(Duration::from_secs(45)));
    }
}
