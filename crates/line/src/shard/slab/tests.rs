use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};

use holdwire_proto::{Connection, Event, Flow, Role, Sender};
use proptest::prelude::*;

use super::*;
use crate::shard::socket::Tcp;

/// A connection over any socket, which nobody uses.
fn slot(socket: &TcpStream, generation: u32) -> Slot {
    let socket = mio::net::TcpStream::from_std(socket.try_clone().unwrap());
    let socket = Tcp(socket);
    let session = |_: Event<'_>, _: &mut Sender<'_>| Flow::Continue;
    Slot::new(
        Connection::new(Role::Server),
        Box::new(session),
        socket,
        generation,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_name_finds_its_connection_and_no_other(
        steps in prop::collection::vec((0..8_u8, any::<prop::sample::Index>()), 0..400),
    ) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut slab = Slab::default();
        // Every name that ever was: whether it is there.
        let mut names: Vec<(Id, bool)> = Vec::new();
        for (step, which) in steps {
            match step {
                0..5 => {
                    let id = slab.next_id();
                    slab.insert(slot(&socket, id.generation));
                    names.push((id, true));
                }
                5 | 6 if !names.is_empty() => {
                    let at = which.index(names.len());
                    let (id, is_there) = &mut names[at];
                    if *is_there {
                        prop_assert!(slab.remove(id.index).is_some());
                        *is_there = false;
                    }
                }
                _ => slab.shrink(),
            }
            let there: HashMap<u32, u32> = names
                .iter()
                .filter(|(_, is_there)| *is_there)
                .map(|(id, _)| (id.index, id.generation))
                .collect();
            prop_assert_eq!(slab.len(), there.len());
            for (id, is_there) in &names {
                prop_assert_eq!(slab.find(*id).is_some(), *is_there);
            }
            let mut count = 0;
            for id in slab.ids() {
                prop_assert_eq!(there.get(&id.index), Some(&id.generation));
                count += 1;
            }
            prop_assert_eq!(count, there.len());
        }
    }
}

#[test]
fn places_at_the_end_that_nobody_uses_are_given_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut slab = Slab::default();
    for _ in 0..300 {
        let id = slab.next_id();
        slab.insert(slot(&socket, id.generation));
    }

    for index in 1..300 {
        slab.remove(index);
    }
    slab.shrink();

    assert_eq!(slab.chunks.len(), 1);
    assert_eq!(slab.next_id().generation, 300);
    assert!(slab.next_id().index < CHUNK);
}
