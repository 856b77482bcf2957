//! A backend by hand: it shares no code with the product.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::Value;

use crate::running::SOON;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Value,
    pub raw: Vec<u8>,
}

impl Asked {
    pub fn is(&self, hook: &str) -> bool {
        self.body["hook"] == hook
    }
}

/// What is done about it.
pub enum Reply {
    /// 200 and this.
    Json(Value),
    /// This, byte for byte; then the connection ends.
    Raw(String),
    /// Nothing, as long as the other end waits.
    Silence,
}

pub struct Backend {
    pub host: String,
    asked: Arc<(Mutex<Vec<Asked>>, Condvar)>,
    connections: Arc<AtomicUsize>,
}

type Answer = dyn Fn(&Asked) -> Reply + Send + Sync;

impl Backend {
    pub fn new(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new((Mutex::default(), Condvar::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (own, count, answer) = (
            Arc::clone(&asked),
            Arc::clone(&connections),
            Arc::new(answer),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let (own, answer) = (Arc::clone(&own), Arc::clone(&answer));
                std::thread::spawn(move || serve(&stream.unwrap(), &own, &*answer));
            }
        });
        Self {
            host,
            asked,
            connections,
        }
    }

    /// The flag that has this asked here.
    pub fn flag(&self, hook: &str) -> String {
        format!("--hook-{hook}=http://{}/hooks/{hook}?v=1", self.host)
    }

    /// All that was asked until now.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.0.lock().unwrap().clone()
    }

    /// The first `count` questions of a kind, once they are there.
    #[track_caller]
    pub fn wait_for(&self, hook: &str, count: usize) -> Vec<Asked> {
        let (all, more) = &*self.asked;
        let has_few =
            |all: &mut Vec<Asked>| all.iter().filter(|asked| asked.is(hook)).count() < count;
        let (all, time) = more
            .wait_timeout_while(all.lock().unwrap(), SOON, has_few)
            .unwrap();
        assert!(!time.timed_out(), "{hook} was not asked: {all:?}");
        all.iter().filter(|asked| asked.is(hook)).cloned().collect()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(stream: &TcpStream, asked: &(Mutex<Vec<Asked>>, Condvar), answer: &Answer) {
    let mut reading = BufReader::new(stream);
    while let Some(one) = read(&mut reading) {
        asked.0.lock().unwrap().push(one.clone());
        asked.1.notify_all();
        let text = match answer(&one) {
            Reply::Json(value) => {
                let body = value.to_string();
                let length = body.len();
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
            }
            Reply::Raw(text) => {
                let _ = (&*stream).write_all(text.as_bytes());
                return;
            }
            Reply::Silence => {
                let _ = reading.read(&mut [0]);
                return;
            }
        };
        if (&*stream).write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reading: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reading.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some("POST"), "{line}");
    let path = words.next()?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reading.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut raw = vec![0; headers["content-length"].parse().unwrap()];
    reading.read_exact(&mut raw).ok()?;
    let body = serde_json::from_slice(&raw).unwrap();
    Some(Asked {
        path,
        headers,
        body,
        raw,
    })
}
