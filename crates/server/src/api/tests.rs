//! The interface as a backend calls it, without a socket.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody, to_bytes};
use holdwire_hub::{ChannelName, Namespace, Namespaces, Retention};
use http::Request;
use hyper::body::Frame;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::config::{ServeConfig, ServeFlags};

const KEY: &str = "0123456789abcdef";

struct Backend {
    hub: Hub,
    router: Router,
}

fn backend() -> Backend {
    backend_that_waits(Duration::from_mins(1))
}

fn backend_that_waits(patience: Duration) -> Backend {
    let mut kept = Namespace::default();
    kept.retention = Retention {
        publications: 5,
        bytes: 1 << 20,
        age: Duration::from_mins(10),
    };
    kept.presence = true;
    kept.page = 2;
    let namespaces = Namespaces::new()
        .with("kept", kept)
        .with("bare", Namespace::default());
    let hub = Hub::in_memory(namespaces);
    let site = Arc::new(Site::new(
        &ServeConfig::load(&ServeFlags::default(), &|_| None).unwrap(),
    ));
    let keys = Keys::parse(KEY).unwrap();
    let router = Api::new(hub.clone(), site, keys, 4096, patience).routes();
    Backend { hub, router }
}

impl Backend {
    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    fn request(method: &str, body: impl Into<Body>) -> Request<Body> {
        Request::post(format!("/api/{method}"))
            .header("x-api-key", KEY)
            .body(body.into())
            .unwrap()
    }

    /// What a method gives.
    async fn result(&self, method: &str, asked: Value) -> Value {
        let (status, mut body) = self.send(Self::request(method, asked.to_string())).await;
        assert_eq!(status, 200, "{method} {asked}: {body}");
        assert!(body.get("error").is_none(), "{method} {asked}: {body}");
        body["result"].take()
    }

    /// Why a method gives nothing.
    async fn code(&self, method: &str, asked: Value) -> (u16, u64) {
        let (status, body) = self.send(Self::request(method, asked.to_string())).await;
        (status.as_u16(), body["error"]["code"].as_u64().unwrap())
    }

    async fn publish(&self, data: Value) -> Value {
        let asked = json!({"channel": "kept:a", "data": data});
        self.result("publish", asked).await
    }

    async fn offsets(&self, asked: Value) -> Vec<u64> {
        let found = self.result("history", asked).await;
        let publications = found["publications"].as_array().unwrap().iter();
        publications
            .map(|publication| publication["offset"].as_u64().unwrap())
            .collect()
    }
}

#[tokio::test]
async fn nobody_is_served_without_a_key() {
    let backend = backend();
    for request in [
        Request::post("/api/info").body("{}".into()).unwrap(),
        Request::post("/api/nonsense").body("{}".into()).unwrap(),
        Request::post("/api/info")
            .header("x-api-key", "0123456789abcdeF")
            .body("{}".into())
            .unwrap(),
        Request::post("/api/info?api_key=0123456789abcdef")
            .body("{}".into())
            .unwrap(),
    ] {
        let (status, body) = backend.send(request).await;
        assert_eq!(status, 401, "{body}");
        assert_eq!(body["error"]["code"], 103);
    }
}

#[tokio::test]
async fn request_that_makes_no_sense_is_refused_with_its_status() {
    let backend = backend();
    for (method, body, status, code) in [
        ("publish", "", 400, 107),
        ("publish", "[]", 400, 107),
        ("publish", "[\"kept:a\",null,1]", 400, 107),
        ("publish", "{\"channel\":\"kept:a\",\"data\":1", 400, 107),
        ("publish", "{\"channel\":1,\"data\":1}", 400, 107),
        (
            "publish",
            "{\"channel\":\"kept:a\",\"data\":1,\"ttl\":1}",
            400,
            107,
        ),
        ("publish", "{\"channel\":\"a b\",\"data\":1}", 200, 107),
        ("publish", "{\"channel\":\"kept:a\"}", 200, 107),
        (
            "publish",
            "{\"channel\":\"kept:a\",\"b64data\":\"?\"}",
            200,
            107,
        ),
        ("publish", "{\"channel\":\"no:a\",\"data\":1}", 200, 102),
        (
            "publish",
            "{\"channel\":\"kept:a\",\"data\":1,\"tags\":{\"a\":\"b\"}}",
            200,
            108,
        ),
        (
            "publish",
            "{\"channel\":\"kept:a\",\"data\":1,\"skip_history\":true}",
            200,
            108,
        ),
        ("broadcast", "{\"channels\":[],\"data\":1}", 200, 107),
        ("broadcast", "{\"channel\":\"kept:a\",\"data\":1}", 400, 107),
        (
            "publish",
            "{\"channels\":[\"kept:a\"],\"data\":1}",
            400,
            107,
        ),
        ("presence", "{\"channel\":\"bare:a\"}", 200, 108),
        (
            "disconnect",
            "{\"user\":\"ann\",\"disconnect\":{\"code\":1000}}",
            200,
            107,
        ),
        ("refresh", "{\"user\":\"ann\"}", 200, 107),
        (
            "history",
            "{\"channel\":\"kept:a\",\"since\":{\"offset\":0,\"epoch\":\"x\"}}",
            200,
            112,
        ),
        ("nonsense", "{}", 404, 104),
    ] {
        let (had, answer) = backend.send(Backend::request(method, body)).await;
        assert_eq!(had.as_u16(), status, "{method} {body}: {answer}");
        assert_eq!(answer["error"]["code"], code, "{method} {body}: {answer}");
    }
    let large = format!(
        "{{\"channel\":\"kept:a\",\"data\":\"{}\"}}",
        "x".repeat(5000)
    );
    let (status, _) = backend.send(Backend::request("publish", large)).await;
    assert_eq!(status, 413);
    let (status, _) = backend
        .send(Backend::request("publish", vec![b'{', 0xff, b'}']))
        .await;
    assert_eq!(status, 400);
    let get = Request::get("/api/publish").header("x-api-key", KEY);
    let (status, _) = backend.send(get.body(Body::empty()).unwrap()).await;
    assert_eq!(status, 405);
}

/// A body that nobody sends.
struct Silent;

impl HttpBody for Silent {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn body_that_never_comes_is_not_waited_for() {
    let backend = backend_that_waits(Duration::from_millis(1));
    let silent = Backend::request("info", Body::new(Silent));
    let (status, body) = backend.send(silent).await;
    assert_eq!(
        (status.as_u16(), &body["error"]["code"]),
        (408, &json!(107))
    );
}

#[tokio::test]
async fn each_value_is_published_as_what_it_is() {
    let backend = backend();
    for (number, data) in (1..).zip([json!("a\"b"), json!(null), json!({"a": [1]}), json!(2.5)]) {
        let placed = backend.publish(data.clone()).await;
        assert_eq!(placed["offset"], number);
    }
    let bytes = json!({"channel": "kept:a", "b64data": "AP8="});
    backend.result("publish", bytes).await;

    let asked = json!({"channel": "kept:a", "limit": -1});
    let found = backend.result("history", asked).await;
    let data: Vec<&Value> = found["publications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|publication| &publication["data"])
        .collect();
    assert_eq!(
        data,
        [
            &json!("a\"b"),
            &json!(null),
            &json!({"a": [1]}),
            &json!(2.5),
            &json!("AP8=")
        ]
    );
    assert_eq!(found["publications"][4]["tags"]["encoding"], "base64");
}

#[tokio::test]
async fn publication_that_was_sent_twice_is_there_once() {
    let backend = backend();
    let asked = json!({"channel": "kept:a", "data": 1, "idempotency_key": "k"});
    let first = backend.result("publish", asked.clone()).await;
    let again = backend.result("publish", asked).await;
    let mut header = Backend::request("publish", r#"{"channel":"kept:a","data":1}"#);
    let name = http::HeaderValue::from_static("k");
    header.headers_mut().insert("idempotency-key", name);
    let (_, third) = backend.send(header).await;

    assert_eq!((&first, &first), (&again, &third["result"]));
    assert_eq!(first["offset"], 1);
    let other = json!({"channel": "kept:a", "data": 2, "idempotency_key": "k"});
    assert_eq!(backend.code("publish", other).await, (200, 107));
}

#[tokio::test]
async fn broadcast_says_of_each_channel_what_became_of_it() {
    let backend = backend();
    let asked = json!({"channels": ["kept:a", "no:b", "bare:c"], "data": {}});
    let result = backend.result("broadcast", asked).await;

    let responses = &result["responses"];
    assert_eq!(responses[0]["result"]["offset"], 1);
    assert_eq!(responses[1]["error"]["code"], 102);
    assert_eq!(responses[2]["result"]["offset"], 1);
}

#[tokio::test]
async fn batch_is_followed_in_its_order() {
    let backend = backend();
    let asked = json!({"commands": [
        {"publish": {"channel": "kept:a", "data": 1}},
        {"publish": {"channel": "kept:a"}},
        {"presence_stats": {"channel": "kept:a"}},
        {"batch": {"commands": []}},
        {"history": {"channel": "kept:a", "limit": 0, "more": 1}},
        {},
    ]});
    let (status, body) = backend
        .send(Backend::request("batch", asked.to_string()))
        .await;

    assert_eq!(status, 200);
    let replies = body["replies"].as_array().unwrap();
    assert_eq!(replies[0]["publish"]["offset"], 1);
    assert_eq!(replies[1]["error"]["code"], 107);
    assert_eq!(
        replies[2]["presence_stats"],
        json!({"num_clients": 0, "num_users": 0})
    );
    assert_eq!(replies[3]["error"]["code"], 104);
    assert_eq!(replies[4]["error"]["code"], 107);
    assert_eq!(replies[5]["error"]["code"], 107);
}

#[tokio::test]
async fn history_is_read_over_pages_both_ways() {
    let backend = backend();
    let mut epoch = Value::Null;
    for number in 1..=7 {
        epoch = backend.publish(json!(number)).await["epoch"].take();
    }
    let ask = |more: Value| {
        let mut asked = json!({"channel": "kept:a"});
        let members = more.as_object().unwrap().clone();
        asked.as_object_mut().unwrap().extend(members);
        asked
    };

    // Five are kept, two are on a page.
    assert_eq!(
        backend.offsets(ask(json!({"limit": -1}))).await,
        [3, 4, 5, 6, 7]
    );
    assert_eq!(backend.offsets(ask(json!({"limit": 3}))).await, [3, 4, 5]);
    assert_eq!(backend.offsets(ask(json!({}))).await, [0; 0]);
    let back = json!({"limit": 3, "reverse": true});
    assert_eq!(backend.offsets(ask(back)).await, [7, 6, 5]);
    let back = json!({"limit": -1, "reverse": true});
    assert_eq!(backend.offsets(ask(back)).await, [7, 6, 5, 4, 3]);
    let since = json!({"limit": -1, "since": {"offset": 4, "epoch": epoch}});
    assert_eq!(backend.offsets(ask(since)).await, [5, 6, 7]);
    let before = json!({"limit": -1, "since": {"offset": 5, "epoch": epoch}, "reverse": true});
    assert_eq!(backend.offsets(ask(before)).await, [4, 3]);
    let gone = json!({"limit": -1, "since": {"offset": 1, "epoch": epoch}});
    assert_eq!(backend.code("history", ask(gone)).await, (200, 112));
}

#[tokio::test]
async fn offsets_go_on_after_the_history_was_removed() {
    let backend = backend();
    backend.publish(json!(1)).await;
    backend
        .result("history_remove", json!({"channel": "kept:a"}))
        .await;

    let found = backend
        .result("history", json!({"channel": "kept:a", "limit": -1}))
        .await;
    assert_eq!(found["publications"], json!([]));
    assert_eq!(found["offset"], 1);
    assert_eq!(backend.publish(json!(2)).await["offset"], 2);
}

#[tokio::test]
async fn presence_is_what_the_hub_knows() {
    let backend = backend();
    let channel: ChannelName = "kept:a".parse().unwrap();
    assert_eq!(backend.hub.members(&channel).await.unwrap().len(), 0);

    let presence = backend
        .result("presence", json!({"channel": "kept:a"}))
        .await;
    let channels = backend
        .result("channels", json!({"pattern": "kept:*"}))
        .await;
    let info = backend.result("info", json!({})).await;

    assert_eq!(presence, json!({"presence": {}}));
    assert_eq!(channels, json!({"channels": {}}));
    assert_eq!(info["nodes"][0]["num_clients"], 0);
}

#[tokio::test]
async fn description_names_every_method_and_needs_no_key() {
    let backend = backend();
    let request = Request::get("/api/openapi.json")
        .body(Body::empty())
        .unwrap();
    let (status, body) = backend.send(request).await;

    assert_eq!(status, 200);
    let paths = body["paths"].as_object().unwrap();
    for path in paths.keys() {
        let method = path.strip_prefix("/api/").unwrap();
        let (status, answer) = backend.send(Backend::request(method, "{")).await;
        assert_eq!(status, 400, "{method}: {answer}");
    }
    assert_eq!(paths.len(), 13);
}
