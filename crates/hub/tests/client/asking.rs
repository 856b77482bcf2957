//! Questions, and who the client is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdwire_hub::client::{AskError, Status, Wants};

use crate::site::{Site, channel, within};

#[tokio::test]
async fn the_past_is_read_page_by_page() {
    within(async {
        let site = Site::new(100).await;
        site.publish(1..=120).await;
        let client = site.client();

        let (mut since, mut offsets, mut missing) = (None, Vec::new(), None);
        loop {
            let page = client.history(&channel(), since, None).await.unwrap();
            missing = missing.or(page.missing_to);
            offsets.extend(
                page.publications
                    .iter()
                    .map(|publication| publication.offset),
            );
            since = Some(page.position);
            if page.newest == page.position.offset {
                break;
            }
        }

        assert_eq!(offsets, (21..=120).collect::<Vec<_>>());
        let first = offsets[0];
        let epoch = since.unwrap().epoch;
        let page = client
            .history(&channel(), Some(epoch.at(5)), Some(1))
            .await
            .unwrap();
        assert_eq!(
            (page.missing_to, page.publications[0].offset),
            (Some(20), first)
        );
    })
    .await;
}

#[tokio::test]
async fn who_is_there_is_told() {
    within(async {
        let site = Site::new(10).await;
        let client = site
            .builder()
            .token(|_| async { Ok("good".to_owned()) })
            .start();
        let mut room = client.subscribe(&channel(), Wants::new()).unwrap();
        room.next().await;

        let members = client.presence(&channel()).await.unwrap();
        let stats = client.presence_stats(&channel()).await.unwrap();

        assert_eq!(
            (members.len(), &*members[0].user, stats),
            (1, "ann", (1, 1))
        );
        let Status::Connected {
            client: name,
            resumed,
        } = client.status()
        else {
            panic!("{client:?}");
        };
        assert_eq!((name, resumed), (members[0].client.clone(), false));
    })
    .await;
}

#[tokio::test]
async fn the_application_is_asked() {
    within(async {
        let site = Site::new(10).await;
        let client = site.client();

        assert_eq!(
            client.rpc("echo", Some("[1, 2]")).await.as_deref(),
            Ok("[1, 2]")
        );
        assert_eq!(client.rpc("echo", None).await.as_deref(), Ok("null"));
        assert_eq!(
            client.rpc("echo", Some("{")).await,
            Err(AskError::Malformed)
        );
        let news = client.presence(&"news:a".parse().unwrap()).await;
        assert!(
            matches!(news, Err(AskError::Refused { code: 102, .. })),
            "{news:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_client_goes_on_as_the_same_in_its_next_connection() {
    within(async {
        let site = Site::new(10).await;
        let (client, _room) = site.subscribed().await;
        let first = client.status();

        site.cut();
        let down = client.status_after(&first).await;
        let again = client.status_after(&down).await;

        let (
            Status::Connected { client: one, .. },
            Status::Connected {
                client: two,
                resumed,
            },
        ) = (first, again)
        else {
            panic!("{client:?}");
        };
        assert_eq!((one, resumed), (two, true));
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_asked_for_once_more() {
    within(async {
        let site = Site::new(10).await;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let client = site
            .builder()
            .token(move |_| {
                let count = count.fetch_add(1, Ordering::Relaxed);
                async move { Ok(if count == 0 { "bad" } else { "good" }.to_owned()) }
            })
            .start();
        let mut room = client.subscribe(&channel(), Wants::new()).unwrap();
        assert!(room.next().await.is_some());
        assert_eq!(asked.load(Ordering::Relaxed), 2);

        let never = site
            .builder()
            .token(|_| async { Ok("bad".to_owned()) })
            .start();
        let mut room = never.subscribe(&channel(), Wants::new()).unwrap();
        assert_eq!(room.next().await, None);
        assert!(
            matches!(never.status(), Status::Stopped { .. }),
            "{never:?}"
        );
    })
    .await;
}
