//! What a subscription is told.

use holdwire_hub::client::{Event, Status, SubscribeError, Wants};
use holdwire_hub::{Reason, SlowConsumer};

use crate::site::{Site, channel, numbers, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_publication_comes_once_and_in_order_whatever_is_cut() {
    within(async {
        let site = Site::new(10_000).await;
        let (_client, mut room) = site.subscribed().await;

        let publishing = async {
            for round in 0..40 {
                site.publish(round * 50 + 1..=round * 50 + 50).await;
                site.cut();
                tokio::task::yield_now().await;
            }
        };
        let (numbers, ()) = tokio::join!(numbers(&mut room, 2000), publishing);

        assert_eq!(numbers, (1..=2000).collect::<Vec<_>>());
        assert_eq!(room.position().unwrap().offset, 2000);
    })
    .await;
}

#[tokio::test]
async fn a_position_is_where_to_begin_another_time() {
    within(async {
        let site = Site::new(1000).await;
        let (client, mut room) = site.subscribed().await;
        site.publish(1..=10).await;
        assert_eq!(numbers(&mut room, 4).await, [1, 2, 3, 4]);
        let position = room.position().unwrap();
        drop((client, room));

        let client = site.client();
        let mut room = client
            .subscribe(&channel(), Wants::since(position))
            .unwrap();
        let first = room.next().await;

        let recovered = Some(true);
        assert_eq!(
            first,
            Some(Event::Subscribed {
                position,
                recovered
            })
        );
        assert_eq!(numbers(&mut room, 10).await, (5..=10).collect::<Vec<_>>());
        assert_eq!(room.next().await, Some(Event::Live { offset: 10 }));
    })
    .await;
}

#[tokio::test]
async fn what_is_lost_with_the_server_is_told() {
    within(async {
        let mut site = Site::new(1000).await;
        let (_client, mut room) = site.subscribed().await;
        site.publish(1..=3).await;
        assert_eq!(numbers(&mut room, 3).await, [1, 2, 3]);
        let before = room.position().unwrap();

        site.replace(1000).await;
        site.publish(4..=5).await;
        let mut told = Vec::new();
        while told.len() < 2 {
            told.push(room.next().await.unwrap());
        }

        assert!(matches!(
            told[0],
            Event::Subscribed {
                recovered: Some(false),
                ..
            }
        ));
        let Event::Gap(gap) = told[1] else {
            panic!("{told:?}");
        };
        assert_eq!(gap.reason, Reason::Epoch);
        assert!(!gap.epoch.is_same_log(before.epoch));
        assert_eq!(numbers(&mut room, 5).await.last(), Some(&5));
    })
    .await;
}

#[tokio::test]
async fn what_has_expired_is_told_with_its_bounds() {
    within(async {
        let site = Site::new(10).await;
        let (client, mut room) = site.subscribed().await;
        site.publish([1]).await;
        numbers(&mut room, 1).await;
        let position = room.position().unwrap();
        drop((client, room));
        site.publish(2..=30).await;

        let client = site.client();
        let mut room = client
            .subscribe(&channel(), Wants::since(position))
            .unwrap();
        room.next().await;
        assert_eq!(room.position(), Some(position));
        let Some(Event::Gap(gap)) = room.next().await else {
            panic!("no gap");
        };

        assert_eq!((gap.reason, gap.from, gap.to), (Reason::Expired, 2, 20));
        assert_eq!(room.position(), Some(position.epoch.at(20)));
        assert_eq!(numbers(&mut room, 30).await, (21..=30).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_for_a_while_has_everything_in_the_end() {
    within(async {
        let site = Site::new(100_000).await;
        assert_eq!(
            site.hub.namespaces().of(&channel()).unwrap().slow,
            SlowConsumer::Close
        );
        let (_client, mut room) = site.subscribed().await;
        let large = "x".repeat(1000);

        // More than the sockets and the server's queue hold.
        for _ in 0..20_000 {
            site.hub.publish(&channel(), &*large).await.unwrap();
        }

        let mut next = 1;
        while next <= 20_000 {
            match room.next().await.unwrap() {
                Event::Publication { publication, .. } => {
                    assert_eq!(publication.offset, next);
                    next += 1;
                }
                Event::Gap(gap) => panic!("{gap}"),
                _ => {}
            }
        }
        assert!(site.hub.counts().slow_closed > 0);
    })
    .await;
}

#[tokio::test]
async fn a_channel_that_may_not_be_had_ends() {
    within(async {
        let site = Site::new(10).await;
        let client = site.client();
        let mut news = client
            .subscribe(&"news:a".parse().unwrap(), Wants::new())
            .unwrap();

        let Some(Event::Ended { code, .. }) = news.next().await else {
            panic!("it has not ended");
        };
        assert_eq!((code, news.next().await), (2102, None));
    })
    .await;
}

#[tokio::test]
async fn a_client_has_a_channel_once_and_may_have_it_again() {
    within(async {
        let site = Site::new(10).await;
        let (client, room) = site.subscribed().await;
        let again = client.subscribe(&channel(), Wants::new());
        assert_eq!(again.err(), Some(SubscribeError::Already));

        drop(room);
        let mut room = client.subscribe(&channel(), Wants::new()).unwrap();
        room.next().await;
        site.publish([1]).await;

        assert_eq!(numbers(&mut room, 1).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn who_is_dropped_has_gone() {
    within(async {
        let site = Site::new(10).await;
        let (client, room) = site.subscribed().await;
        assert_eq!(site.hub.counts().subscriptions, 1);
        let clone = client.clone();
        drop((client, room));
        assert!(matches!(clone.status(), Status::Connected { .. }));

        drop(clone);

        while site.hub.counts().subscriptions > 0 {
            tokio::task::yield_now().await;
        }
        // It went on purpose, so it has left.
        while !site.hub.members(&channel()).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn who_comes_and_goes_is_told() {
    within(async {
        let site = Site::new(10).await;
        let client = site.client();
        let mut room = client
            .subscribe(&channel(), Wants::new().presence())
            .unwrap();
        room.next().await;
        let (other, _other_room) = site.subscribed().await;
        let Status::Connected { client: name, .. } = other.status() else {
            panic!("{other:?}");
        };

        let joined = loop {
            match room.next().await.unwrap() {
                Event::Joined { client, .. } if client == name => break client,
                Event::Joined { .. } => {}
                other => panic!("{other:?}"),
            }
        };
        drop((other, _other_room));

        let left = room.next().await.unwrap();
        let user = String::new();
        assert_eq!(
            left,
            Event::Left {
                client: joined,
                user
            }
        );
    })
    .await;
}
