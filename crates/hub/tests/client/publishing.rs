//! What becomes of publications.

use std::collections::HashMap;

use holdwire_hub::Since;
use holdwire_hub::client::{Unpublished, Unsent, Wants};

use crate::site::{Site, channel, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_in_the_log_once_and_in_order_whatever_is_cut() {
    within(async {
        let site = Site::new(10_000).await;
        let client = site.client();

        let mut receipts = Vec::new();
        for number in 0..1000_u64 {
            let receipt = loop {
                match client.publish(&channel(), &*number.to_string()) {
                    Ok(receipt) => break receipt,
                    Err(Unsent::Full) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                }
            };
            receipts.push(receipt);
            if number % 25 == 0 {
                site.cut();
                tokio::task::yield_now().await;
            }
        }
        let mut places = HashMap::new();
        for (number, receipt) in receipts.into_iter().enumerate() {
            let published = receipt.await.unwrap();
            places.insert(published.position.offset, number.to_string());
        }

        let mut all = Vec::new();
        let mut since = Since::Oldest;
        loop {
            let reading = site.hub.history(&channel(), since, 1000).await.unwrap();
            since = Since::Position(reading.position);
            let has_more = reading.has_more();
            all.extend(reading.publications);
            if !has_more {
                break;
            }
        }
        assert_eq!(all.len(), 1000);
        for (number, publication) in all.iter().enumerate() {
            assert_eq!(
                publication.payload.as_bytes(),
                number.to_string().as_bytes()
            );
            assert_eq!(
                places[&publication.offset].as_bytes(),
                publication.payload.as_bytes()
            );
        }
    })
    .await;
}

#[tokio::test]
async fn what_waits_is_published_on_the_server_that_comes() {
    within(async {
        let mut site = Site::new(100).await;
        let client = site.client();
        client.publish(&channel(), "one").unwrap().await.unwrap();

        let before = client.status();
        site.replace(100).await;
        client.status_after(&before).await;
        let receipt = client.publish(&channel(), "two").unwrap();

        assert_eq!(receipt.await.unwrap().position.offset, 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_refused_says_why_and_the_next_one_is_taken() {
    within(async {
        let site = Site::new(100).await;
        let client = site.client();
        let news = "news:a".parse().unwrap();

        let refused = client.publish(&news, "no").unwrap();
        let taken = client.publish(&channel(), "yes").unwrap();

        let why = refused.await.unwrap_err();
        assert!(
            matches!(why, Unpublished::Refused { code: 102, .. }),
            "{why}"
        );
        assert!(taken.await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn what_waits_is_bounded_and_given_up_when_the_client_stops() {
    within(async {
        let site = Site::new(100).await;
        // Nobody listens there.
        let client = holdwire_hub::client::Client::to("ws://127.0.0.1:1/")
            .outbox(2, 10)
            .start();

        let one = client.publish(&channel(), "12345").unwrap();
        assert_eq!(
            client.publish(&channel(), "123456").err(),
            Some(Unsent::Full)
        );
        client.publish(&channel(), "12345").unwrap();
        assert_eq!(client.publish(&channel(), "").err(), Some(Unsent::Full));
        client.stop();

        assert_eq!(one.await, Err(Unpublished::Stopped));
        assert_eq!(client.publish(&channel(), "").err(), Some(Unsent::Stopped));
        assert!(client.subscribe(&channel(), Wants::new()).is_err());
        drop(site);
    })
    .await;
}

#[tokio::test]
async fn what_is_larger_than_the_server_takes_is_refused_and_the_connection_goes_on() {
    within(async {
        let site = Site::new(100).await;
        let client = site.client();
        let frame = r#"{"id":2,"publish":{"channel":"chat:a","data":"","n":1}}"#;
        let most = "x".repeat(1024 * 1024 - frame.len());

        let taken = client.publish(&channel(), &*most).unwrap().await;
        let status = client.status();
        let refused = client.publish(&channel(), &*(most + "x")).unwrap().await;
        let next = client.publish(&channel(), "small").unwrap().await;

        assert_eq!(taken.unwrap().position.offset, 1);
        let Err(Unpublished::Refused { code, message }) = refused else {
            panic!("{refused:?}");
        };
        let expected = "1048577 bytes are more than the server takes: 1048576";
        assert_eq!((code, &*message), (106, expected));
        assert_eq!(next.unwrap().position.offset, 2);
        assert_eq!(client.status(), status);
    })
    .await;
}
