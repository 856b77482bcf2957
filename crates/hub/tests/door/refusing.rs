//! Requests that are not let in.

use crate::client::Client;
use crate::site::Site;

#[tokio::test]
async fn what_cannot_be_had_is_refused_with_its_remedy() {
    let hidden = |namespace: &mut holdwire_hub::Namespace| namespace.presence = false;
    let site = Site::with(0, hidden, |_| {}).await;

    for (target, status) in [
        ("/ws/", 400),
        ("/ws/a%20b", 400),
        ("/ws/chat:a?format=xml", 400),
        ("/ws/chat:a?since=17", 400),
        ("/ws/news", 404),
        ("/ws/chat:a?format=json&presence", 403),
        ("/elsewhere", 404),
    ] {
        let (_, head) = Client::connect(site.address, target).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{target}: {head}"
        );
    }
    assert_eq!(site.hub.counts().channels, 0);
}
