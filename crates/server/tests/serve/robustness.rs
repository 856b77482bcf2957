//! What many, slow or rude clients cannot do.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::holdwire;
use crate::running::{Running, SOON, status};

#[test]
fn memory_of_connections_that_left_is_given_back() {
    const ROUND: usize = 500;
    let server = Running::start(&[]);
    let connect = |count: usize| {
        let peers: Vec<_> = (0..count).map(|_| server.open("/echo")).collect();
        server.await_metric("holdwire_connections ", |open| open == count as u64);
        drop(peers);
        server.await_metric("holdwire_connections ", |open| open == 0);
        server.memory()
    };

    let first = connect(ROUND);
    let rounds: Vec<u64> = (0..3).map(|_| connect(ROUND)).collect();

    assert!(rounds[2] < first + 2048, "from {first} KiB to {rounds:?}");
}

#[test]
fn page_comes_while_many_handshakes_hang() {
    let server = Running::start(&[]);
    let slow = (0..100).map(|_| {
        let mut stream = server.connect();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: local").unwrap();
        stream
    });
    let slow: Vec<_> = slow.collect();
    let start = Instant::now();

    let page = server.get("/");

    assert_eq!(status(&page), 200);
    assert!(start.elapsed() < SOON / 4);
    drop(slow);
}

#[test]
fn reader_of_the_banner_that_goes_away_does_not_end_the_server() {
    let mut command = holdwire(&["serve", "--listen", "127.0.0.1:0"]);
    let mut process = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("Listens") {
        line.clear();
        stdout.read_line(&mut line).unwrap();
    }
    drop(stdout);
    let address = line.trim().trim_start_matches("Listens").trim().to_owned();

    let page = std::net::TcpStream::connect(&address).and_then(|mut stream| {
        stream.write_all(
            b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )?;
        let mut page = String::new();
        stream.read_to_string(&mut page).map(|_| page)
    });

    let _ = process.kill();
    let _ = process.wait();
    assert_eq!(status(&page.unwrap()), 200);
}

#[test]
fn server_starts_and_serves_with_nobody_at_its_outputs() {
    // Both pipes are closed before the first byte is written.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut process = holdwire(&["serve", "--listen", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((process.stdout.take(), process.stderr.take()));
    let ask = || {
        let mut stream = std::net::TcpStream::connect(port)?;
        stream.write_all(
            b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )?;
        let mut page = String::new();
        stream.read_to_string(&mut page).map(|_| page)
    };

    let start = Instant::now();
    let mut answers = Vec::new();
    while answers.len() < 2 && start.elapsed() < SOON {
        match ask() {
            Ok(page) => answers.push(status(&page)),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }

    let is_running = process.try_wait().unwrap().is_none();
    let _ = process.kill();
    let _ = process.wait();
    assert_eq!(answers, [200, 200]);
    assert!(is_running);
}

#[test]
fn flood_of_pings_is_answered_and_leaves_others_in_peace() {
    let server = Running::start(&[]);
    let mut loud = server.open("/echo");
    let mut quiet = server.open("/echo");

    for _ in 0..2000 {
        loud.send(0x89, b"ping");
    }
    quiet.say("still there");

    assert_eq!(quiet.text(), "still there");
    assert_eq!(loud.next().first, 0x8A);
}
