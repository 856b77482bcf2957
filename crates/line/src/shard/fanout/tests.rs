use holdwire_proto::{Connection, Prepared, Role};
use proptest::prelude::*;

use super::*;

/// Publications of these lengths, each from the connection at a place of the shard, or of nobody.
fn publications(of: &[(usize, Option<u32>)], mailbox: &Arc<Mailbox>) -> Vec<Publication> {
    let remote = |index: u32| Remote::new(Arc::clone(mailbox), id(index));
    let numbered = (0..).zip(of);
    numbered
        .map(|(number, &(length, from))| Publication {
            number,
            is_aside: false,
            message: Prepared::binary(&vec![b'x'; length]),
            except: from.map(remote),
        })
        .collect()
}

fn id(index: u32) -> Id {
    Id {
        index,
        generation: index,
    }
}

fn scratch() -> Scratch {
    Scratch::new(Box::new(|| [0; 4]))
}

fn some_publications() -> impl Strategy<Value = Vec<(usize, Option<u32>)>> {
    let length = prop_oneof![0..200_usize, 20_000..200_000_usize];
    prop::collection::vec((length, prop::option::of(0..3_u32)), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_are_all_publications_in_order_and_no_larger_than_they_must_be(
        of in some_publications(),
    ) {
        let mailbox = Mailbox::new();
        let all = publications(&of, &mailbox);

        let pieces: Vec<&[Publication]> = pieces(&all).collect();

        let numbers = pieces.iter().flat_map(|piece| piece.iter().map(|one| one.number));
        prop_assert!(numbers.eq(0..all.len() as u64));
        let length = |piece: &[Publication]| -> usize {
            piece.iter().map(|one| one.message.payload().len()).sum()
        };
        prop_assert!(pieces.iter().all(|piece| piece.len() == 1 || length(piece) <= BATCH));
        for both in pieces.windows(2) {
            prop_assert!(length(both[0]) + both[1][0].message.payload().len() > BATCH);
        }
    }

    #[test]
    fn a_batch_is_its_publications_one_after_the_other_without_the_own(
        of in some_publications(),
        own in 0..3_u32,
    ) {
        let mailbox = Mailbox::new();
        let (all, config, mut scratch) = (publications(&of, &mailbox), Config::default(), scratch());
        let variant = Connection::new(Role::Server).variant();
        let is_others = |one: &&Publication| !one.is_from(&mailbox, id(own));

        let batch = Batch::of(all.iter().filter(is_others), variant, &config, &mut scratch);

        let mut frames = Vec::new();
        let mut payload = 0;
        let mut numbers = Vec::new();
        for (number, (length, from)) in (0..).zip(&of) {
            if *from != Some(own) {
                let message = &all[usize::try_from(number).unwrap()].message;
                frames.extend_from_slice(message.encoded(variant, &config, &mut scratch));
                payload += *length as u64;
                numbers.push(number);
            }
        }
        match batch {
            None => prop_assert!(numbers.is_empty()),
            Some(batch) => {
                prop_assert!(batch.frames == frames);
                prop_assert_eq!(batch.counts.messages, numbers.len() as u64);
                prop_assert_eq!(batch.counts.payload, payload);
                prop_assert_eq!(batch.range, numbers[0]..numbers[numbers.len() - 1] + 1);
            }
        }
    }

    #[test]
    fn subscribers_know_their_places_whoever_leaves(
        steps in prop::collection::vec((any::<bool>(), 0..8_u32), 0..200),
    ) {
        let (mailbox, topic, mut fanout) = (Mailbox::new(), Topic::new(), Fanout::default());
        let mut places: HashMap<u32, u32> = HashMap::new();
        for (joins, index) in steps {
            match places.get(&index).copied() {
                None if joins => {
                    let (number, place, _) = fanout.join(&topic, index, &mailbox);
                    prop_assert_eq!(number, 0);
                    places.insert(index, place);
                }
                Some(place) if !joins => {
                    places.remove(&index);
                    if let Some(moved) = fanout.leave(0, place, &mailbox) {
                        places.insert(moved, place);
                    }
                }
                _ => {}
            }
            let subscribers = fanout.get(0).map(|local| local.subscribers.clone());
            let subscribers = subscribers.unwrap_or_default();
            prop_assert_eq!(subscribers.len(), places.len());
            for (index, place) in &places {
                prop_assert_eq!(subscribers[*place as usize], *index);
            }
            prop_assert_eq!(fanout.number(&topic).is_some(), !places.is_empty());
        }
    }
}

#[test]
fn a_publication_alone_is_sent_from_where_it_lies() {
    let mailbox = Mailbox::new();
    let all = publications(&[(100, None)], &mailbox);
    let (config, mut scratch) = (Config::default(), scratch());
    let variant = Variant::PLAIN;

    let batch = Batch::of(all.iter(), variant, &config, &mut scratch).unwrap();

    let encoded = all[0].message.encoded(variant, &config, &mut scratch);
    assert_eq!(batch.frames.as_ptr(), encoded.as_ptr());
}
