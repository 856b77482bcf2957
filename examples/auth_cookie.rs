//! Who may connect is decided before the 101, by a cookie:
//! `cargo run -p holdwire-examples --example auth_cookie`, then
//! `cargo run -- connect ws://127.0.0.1:3000 --header 'Cookie: session=s3cret'`

use holdwire::handshake::unauthorized;
use holdwire::http::{HeaderValue, Request, header::COOKIE};
use holdwire::{Endpoint, Error, Server, Upgrade, WebSocket};

/// What the handler learns about the visitor.
#[derive(Clone)]
struct User(&'static str);

/// The user of a session; a real application asks its store.
async fn user_of(session: &str) -> Option<User> {
    (session == "s3cret").then_some(User("Ann"))
}

/// The value of a cookie, if the request has it.
fn cookie(request: &Request<()>, name: &str) -> Option<String> {
    let lines = request.headers().get_all(COOKIE).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then(|| value.to_owned()))
}

async fn greet(mut socket: WebSocket, request: Request<()>) -> Result<(), Error> {
    if let Some(User(name)) = request.extensions().get() {
        socket.send(format!("Hello {name}")).await?;
    }
    while socket.recv().await.transpose()?.is_some() {}
    Ok(())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let endpoint = Endpoint::new(greet).on_upgrade(async |upgrade: Upgrade| {
        let session = cookie(&upgrade.request, "session").unwrap_or_default();
        match user_of(&session).await {
            Some(user) => Ok(upgrade.accept().context(user)),
            None => Err(unauthorized(HeaderValue::from_static("Cookie"))),
        }
    });
    let server = Server::bind("127.0.0.1:3000").await?;
    server.endpoint_for_all(endpoint).run().await
}
