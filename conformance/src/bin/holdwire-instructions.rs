//! Drives the protocol's `Connection` through a fixed amount of work, for an instruction counter.
//!
//! `holdwire-instructions CASE CALLS` prints how many messages went through. It reads no clock and
//! draws nothing at random, so that two runs differ by the work alone.

use std::hint::black_box;
use std::process::ExitCode;

use holdwire_proto::bytes::Buf;
use holdwire_proto::time::Tick;
use holdwire_proto::{Config, Connection, Context, Event, Flow, Output, Role, Scratch, Sender};

/// A payload that is unmasked twice is masked again. With this key both are UTF-8: it changes the
/// last bit of each byte, of the lead bytes below too.
const MASKING_KEY: [u8; 4] = [1; 4];

const BINARY: u8 = 0x82;
const TEXT: u8 = 0x81;

/// What is done again and again.
struct Case {
    name: &'static str,
    opcode: u8,
    payload: Payload,
    /// Messages in one call.
    messages: u32,
    work: Work,
}

enum Payload {
    Zeros(usize),
    /// Repeated to this many bytes.
    Text(&'static str, usize),
}

enum Work {
    Receive,
    Echo,
    Send,
}

const CASES: &[Case] = &[
    case(
        "receive 64 B, 16 in a read",
        BINARY,
        Payload::Zeros(64),
        16,
        Work::Receive,
    ),
    case(
        "receive 1 KiB",
        BINARY,
        Payload::Zeros(1024),
        1,
        Work::Receive,
    ),
    case(
        "receive 64 KiB",
        BINARY,
        Payload::Zeros(65_536),
        1,
        Work::Receive,
    ),
    case(
        "receive 1 KiB of ASCII",
        TEXT,
        Payload::Text("holdwire", 1024),
        1,
        Work::Receive,
    ),
    case(
        "receive 1 KiB of Chinese",
        TEXT,
        Payload::Text("线路永远不断", 1026),
        1,
        Work::Receive,
    ),
    case(
        "echo 64 B, 16 in a read",
        BINARY,
        Payload::Zeros(64),
        16,
        Work::Echo,
    ),
    case("send 64 B", BINARY, Payload::Zeros(64), 1, Work::Send),
];

const fn case(name: &'static str, opcode: u8, payload: Payload, messages: u32, work: Work) -> Case {
    Case {
        name,
        opcode,
        payload,
        messages,
        work,
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, calls] = &arguments[..]
        && let Some(case) = CASES.iter().find(|case| case.name == name)
        && let Ok(calls) = calls.parse()
    {
        case.run(calls);
        println!("{}", u64::from(case.messages) * u64::from(calls));
        return ExitCode::SUCCESS;
    }
    if arguments.is_empty() {
        for case in CASES {
            println!("{}", case.name);
        }
        return ExitCode::SUCCESS;
    }
    eprintln!("usage: holdwire-instructions [CASE CALLS]; without them the cases are listed");
    ExitCode::from(2)
}

impl Case {
    fn run(&self, calls: u32) {
        let payload = self.payload.bytes();
        let mut input = masked_frame(self.opcode, &payload).repeat(self.messages as usize);
        let config = Config::default();
        let now = Tick::from_millis(0);
        let mut connection = Connection::new(Role::Server);
        let mut scratch = Scratch::new(Box::new(|| MASKING_KEY));
        let mut output = Output::default();
        for _ in 0..calls {
            let mut context = Context {
                now,
                config: &config,
                output: &mut output,
                scratch: &mut scratch,
            };
            match self.work {
                Work::Receive => {
                    connection.receive(black_box(&mut input), &mut context, &mut ignore)
                }
                Work::Echo => connection.receive(black_box(&mut input), &mut context, &mut echo),
                Work::Send => {
                    let sent = connection.sender(&mut context).binary(black_box(&payload));
                    sent.expect("the queue is empty");
                }
            }
            let waiting = output.len();
            black_box(output.chunk());
            output.advance(waiting);
            connection.handle_written(waiting, 0, now, &config);
        }
        assert_eq!(connection.ended(), None, "the frames are legal");
    }
}

impl Payload {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Zeros(length) => vec![0; *length],
            Self::Text(text, length) => {
                let mut text = text.repeat(length.div_ceil(text.len())).into_bytes();
                text.truncate(*length);
                text
            }
        }
    }
}

fn ignore(event: Event<'_>, _: &mut Sender<'_>) -> Flow {
    black_box(event);
    Flow::Continue
}

fn echo(event: Event<'_>, reply: &mut Sender<'_>) -> Flow {
    if let Event::Binary(payload) = event {
        reply.binary(&payload).expect("the queue takes one read");
    }
    Flow::Continue
}

/// A whole message in one frame, as a client sends it.
fn masked_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..=125), _) => frame.push(MASKED | length),
        (_, Ok(length)) => {
            frame.push(MASKED | 126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(MASKED | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(MASKING_KEY);
    frame.extend(
        payload
            .iter()
            .zip(MASKING_KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}
