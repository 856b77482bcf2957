//! Requests that are not let in.

use crate::client::Client;
use crate::site::Site;

#[tokio::test]
async fn a_page_is_told_by_a_close_code_what_it_cannot_have() {
    let hidden = |namespace: &mut holdwire_hub::Namespace| namespace.presence = false;
    let site = Site::with(0, hidden, |_| {}).await;
    let origin = "Origin: http://localhost\r\n";

    for (target, code, words) in [
        ("/ws/chat:a?format=xml", 4400, "format is raw or json"),
        ("/ws/chat:a?since=17", 4400, "since is last, or a position"),
        ("/ws/news", 4404, "there is no namespace"),
        (
            "/ws/chat:a?format=json&presence",
            4403,
            "does not show who is there",
        ),
    ] {
        let (mut page, head) = Client::connect_with(site.address, target, origin).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{target}: {head}");
        let (texts, told, reason) = page.texts_until_closed().await;
        assert_eq!((texts.len(), told), (0, code), "{target}");
        assert!(reason.contains(words), "{target}: {reason}");
    }
    assert_eq!(site.hub.counts().channels, 0);
}

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
