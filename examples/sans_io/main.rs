//! The protocol without tokio, on threads: `cargo run -p holdwire-examples --example sans_io`

mod handshake;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use holdwire_proto::{Config, Connection, Context, Event, Flow, Output, Role, Scratch, Sender};
use holdwire_proto::{bytes::Buf, time::Clock};

/// The application: what comes goes back. An error means that the connection is closing.
fn echo(event: Event<'_>, reply: &mut Sender<'_>) -> Flow {
    let _ = event.into_message().map(|message| reply.message(message));
    Flow::Continue
}

/// Lends the connection bytes and the time, and writes what it gives.
fn drive(mut socket: TcpStream, mut input: Vec<u8>) -> io::Result<()> {
    let (config, clock) = (Config::default(), Clock::new(Instant::now()));
    let mut connection = Connection::new(Role::Server);
    let mut output = Output::default();
    let mut scratch = Scratch::new(Box::new(|| [0; 4])); // a server masks nothing
    loop {
        let now = clock.tick(Instant::now());
        let mut cx = Context {
            now,
            config: &config,
            output: &mut output,
            scratch: &mut scratch,
        };
        connection.receive(&mut input, &mut cx, &mut echo);
        connection.handle_timeout(&mut cx);
        let waiting = output.len();
        socket.write_all(&output.copy_to_bytes(waiting))?;
        connection.handle_written(waiting, 0, now, &config);
        if connection.wants_half_close() {
            socket.shutdown(Shutdown::Write)?;
            connection.handle_half_closed(now);
        }
        if connection.is_over() {
            return Ok(());
        }
        let due = connection.poll_timeout();
        let wait = due.map(|due| due.since(now).max(Duration::from_millis(1)));
        socket.set_read_timeout(wait)?;
        input.resize(16 * 1024, 0);
        match socket.read(&mut input) {
            Ok(0) => connection.handle_eof(),
            Ok(count) => input.truncate(count),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                input.clear()
            }
            Err(error) => connection.handle_io_error(error.kind()),
        }
    }
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:3001")?;
    for socket in listener.incoming() {
        let mut socket = socket?;
        std::thread::spawn(move || {
            handshake::shake_hands(&mut socket).and_then(|rest| drive(socket, rest))
        });
    }
    Ok(())
}
