use std::time::{Duration, Instant};

use super::*;

fn keeping(publications: usize) -> Retention {
    Retention {
        publications,
        bytes: usize::MAX,
        age: Duration::from_secs(60),
    }
}

fn epoch() -> Epoch {
    Epoch::new(*b"12345678")
}

/// A log with so many publications, of which each says its offset.
fn log(count: u64, retention: &Retention, now: Instant) -> Log {
    let mut log = Log::new(epoch());
    for offset in 1..=count {
        log.append(offset.to_string().as_str().into(), retention, now);
    }
    log
}

fn offsets(reading: &Reading) -> Vec<u64> {
    let publications = reading.publications.iter();
    publications.map(|publication| publication.offset).collect()
}

#[test]
fn reader_gets_what_follows_its_position_page_by_page() {
    let log = log(7, &keeping(10), Instant::now());

    let first = log.read(Since::Position(epoch().at(2)), 3);
    let second = log.read(Since::Position(first.position), 3);

    assert_eq!((first.gap, offsets(&first)), (None, vec![3, 4, 5]));
    assert!(first.has_more());
    assert_eq!((second.gap, offsets(&second)), (None, vec![6, 7]));
    assert!(!second.has_more());
    assert_eq!(second.position, log.position());
}

#[test]
fn reader_at_the_top_is_live_even_when_nothing_is_kept() {
    let log = log(7, &Retention::NONE, Instant::now());

    let reading = log.read(Since::Position(epoch().at(7)), 3);

    assert_eq!((reading.gap, offsets(&reading)), (None, vec![]));
}

#[test]
fn reader_whose_next_publication_has_expired_is_told_which_are_missing() {
    let log = log(7, &keeping(3), Instant::now());

    let reading = log.read(Since::Position(epoch().at(1)), 9);

    let gap = reading.gap.unwrap();
    assert_eq!((gap.reason, gap.from, gap.to), (Reason::Expired, 2, 4));
    assert_eq!(offsets(&reading), [5, 6, 7]);
}

#[test]
fn reader_just_before_the_oldest_misses_nothing() {
    let log = log(7, &keeping(3), Instant::now());

    let reading = log.read(Since::Position(epoch().at(4)), 9);

    assert_eq!((reading.gap, offsets(&reading)), (None, vec![5, 6, 7]));
}

#[test]
fn reader_of_another_log_is_told_and_gets_what_there_is() {
    let log = log(3, &keeping(2), Instant::now());

    let other = Epoch::new(*b"87654321");
    let reading = log.read(Since::Position(other.at(2)), 9);

    let gap = reading.gap.unwrap();
    assert_eq!((gap.reason, gap.from, gap.to), (Reason::Epoch, 1, 1));
    assert_eq!(offsets(&reading), [2, 3]);
}

#[test]
fn reader_beyond_a_fork_is_told_where_it_was() {
    let mut log = log(15, &keeping(99), Instant::now());
    log.fork(10);
    for text in ["b11", "b12"] {
        log.append(text.into(), &keeping(99), Instant::now());
    }

    let beyond = log.read(Since::Position(epoch().at(15)), 9);
    let before = log.read(Since::Position(epoch().at(8)), 9);

    let gap = beyond.gap.unwrap();
    assert_eq!(gap.reason, Reason::Diverged { fork: 10 });
    assert!(gap.missing().is_empty());
    assert_eq!(offsets(&beyond), [11, 12]);
    assert_eq!(beyond.publications[0].payload, "b11".into());
    assert_eq!((before.gap, offsets(&before)), (None, vec![9, 10, 11, 12]));
    assert_eq!(before.position.epoch, epoch().forked());
}

#[test]
fn reader_of_an_old_generation_is_judged_by_the_lowest_fork_since() {
    let mut log = log(9, &keeping(99), Instant::now());
    log.fork(7);
    log.append("b8".into(), &keeping(99), Instant::now());
    log.fork(4);
    log.append("c5".into(), &keeping(99), Instant::now());

    let reason = |position| {
        let gap = log.read(Since::Position(position), 9).gap;
        gap.map(|gap| gap.reason)
    };

    assert_eq!(reason(epoch().at(4)), None);
    assert_eq!(reason(epoch().at(5)), Some(Reason::Diverged { fork: 4 }));
    let second = epoch().forked();
    assert_eq!(reason(second.at(8)), Some(Reason::Diverged { fork: 4 }));
    assert_eq!(reason(second.forked().at(5)), None);
    // Nobody can be there: its storage knew more than ours does.
    assert_eq!(
        reason(second.forked().at(6)),
        Some(Reason::Diverged { fork: 5 })
    );
    assert_eq!(reason(second.forked().forked().at(1)), Some(Reason::Epoch));
}

#[test]
fn age_removes_what_is_old() {
    let start = Instant::now();
    let retention = keeping(99);
    let mut log = log(2, &retention, start);
    log.append("3".into(), &retention, start + Duration::from_secs(30));

    log.trim(&retention, start + Duration::from_secs(59));
    assert_eq!(log.len(), 3);

    log.trim(&retention, start + Duration::from_secs(60));
    assert_eq!((log.len(), log.bytes()), (1, 1));
}

#[test]
fn bytes_bound_what_is_kept() {
    let retention = Retention {
        bytes: 10,
        ..keeping(99)
    };
    let now = Instant::now();
    let mut log = Log::new(epoch());
    for text in ["1234", "5678", "90"] {
        log.append(text.into(), &retention, now);
    }
    assert_eq!((log.len(), log.bytes()), (3, 10));

    log.append("x".into(), &retention, now);
    assert_eq!((log.len(), log.bytes()), (3, 7));

    log.append("much too long".into(), &retention, now);
    assert_eq!((log.len(), log.bytes()), (0, 0));
    assert_eq!(log.position().offset, 5);
}
