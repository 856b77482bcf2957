//! One place of a server where WebSocket lives: its rules, its hook, its handler.

use std::fmt;
use std::future::{Future, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use holdwire_proto::Config;
use holdwire_proto::handshake::{Acceptance, Origins, Rules, Subprotocol, Subprotocols};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};

use super::Peer;
use crate::driver::Outcome;
#[cfg(feature = "shard")]
use crate::shard::{Make, Remote, Session};
use crate::websocket::WebSocket;

/// A future without a name.
pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

type Handle = Arc<dyn Fn(WebSocket, Request<()>) -> Running + Send + Sync>;
type Hook = Arc<dyn Fn(Upgrade) -> BoxFuture<Result<Accept, Response<Bytes>>> + Send + Sync>;

/// A handler at work, without its type.
pub(super) struct Running(Pin<Box<dyn Handling + Send>>);

impl Running {
    pub(super) fn new(handling: impl Future<Output: Outcome> + Send + 'static) -> Self {
        Self(Box::pin(handling))
    }
}

impl Future for Running {
    type Output = Result<(), String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll_result(cx)
    }
}

/// Any handler's future, as it is: an `async` block around it would hold it twice.
trait Handling {
    fn poll_result(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), String>>;
}

impl<F: Future<Output: Outcome>> Handling for F {
    fn poll_result(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        self.poll(cx).map(Outcome::into_result)
    }
}

/// Where WebSocket lives: who may connect, under which limits, and what happens then.
///
/// # Examples
/// ```
/// use holdwire::handshake::{Origins, unauthorized};
/// use holdwire::{Config, Endpoint, Upgrade, WebSocket};
/// # use holdwire::http::{HeaderValue, Request};
///
/// #[derive(Clone)]
/// struct User(String);
///
/// let chat = Endpoint::new(|socket: WebSocket, request: Request<()>| async move {
///     let user = request.extensions().get::<User>().expect("set by the hook");
///     socket.send(format!("hello {}", user.0)).await
/// })
/// .origins(Origins::List(vec!["https://app.example.com".parse()?]))
/// .config(Config::default().max_message(64 * 1024))
/// .on_upgrade(|upgrade: Upgrade| async move {
///     match upgrade.request.headers().get("cookie") {
///         Some(cookie) if cookie == "user=ann" => Ok(upgrade.accept().context(User("Ann".into()))),
///         _ => Err(unauthorized(HeaderValue::from_static("Cookie"))),
///     }
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Endpoint {
    pub(super) rules: Rules,
    pub(super) config: Arc<Config>,
    pub(super) hook: Option<Hook>,
    pub(super) refuses_after_open: bool,
    pub(super) does: Does,
}

/// What happens on a connection.
#[derive(Clone)]
pub(super) enum Does {
    /// A handler that receives and sends, in the connection's own task.
    Handler(Handle),
    /// A session that is called with each event, on a shard where there is one.
    #[cfg(feature = "shard")]
    Session(Make),
}

impl Endpoint {
    /// An endpoint with strict same origin, any host and the default limits.
    ///
    /// The handler gets the request, with a [`Peer`], the [`Subprotocol`] if one was agreed on, and
    /// whatever the hook added in its extensions. A request costs two kilobytes or more: an idle connection is small only if its
    /// handler has let go of it. When the handler returns, the connection is closed: see
    /// [`Driver::run`](crate::Driver::run).
    #[must_use]
    pub fn new<H, F>(handler: H) -> Self
    where
        H: Fn(WebSocket, Request<()>) -> F + Send + Sync + 'static,
        F: Future<Output: Outcome> + Send + 'static,
    {
        Self::that(Does::Handler(Arc::new(move |socket, request| {
            let running = catch_unwind(AssertUnwindSafe(|| handler(socket, request)));
            match running {
                Ok(running) => Running::new(running),
                Err(_) => Running::new(ready(Err("it panicked when called"))),
            }
        })))
    }

    /// As [`Endpoint::new`], of sessions: a connection costs what it keeps, and neither a task nor a
    /// future, where the server has [shards](super::Server::shards).
    ///
    /// `make` gets the request as a handler does, and a [`Remote`] by which tasks and other
    /// sessions reach the connection.
    #[cfg(feature = "shard")]
    #[must_use]
    pub fn sessions<S: Session>(
        make: impl Fn(Request<()>, Remote) -> S + Send + Sync + 'static,
    ) -> Self {
        Self::that(Does::Session(Arc::new(move |request, remote| {
            Box::new(make(request, remote))
        })))
    }

    fn that(does: Does) -> Self {
        Self {
            rules: Rules::default(),
            config: Arc::default(),
            hook: None,
            refuses_after_open: false,
            does,
        }
    }

    /// Whose pages may connect. Default: strict same origin.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.rules.origins = origins;
        self
    }

    /// How a subprotocol is picked. Default: none.
    #[must_use]
    pub fn subprotocols(mut self, subprotocols: Subprotocols) -> Self {
        self.rules.subprotocols = subprotocols;
        self
    }

    /// All rules of the opening handshake at once.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Limits, deadlines and compression of its connections.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = Arc::new(config);
        self
    }

    /// Asks the application about each request that obeys the rules: to accept it, perhaps with
    /// more headers and a context value for the handler, or to refuse it with any response.
    #[must_use]
    pub fn on_upgrade<H, F>(mut self, hook: H) -> Self
    where
        H: Fn(Upgrade) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Accept, Response<Bytes>>> + Send + 'static,
    {
        self.hook = Some(Arc::new(move |upgrade| Box::pin(hook(upgrade))));
        self
    }

    /// Tells pages why they are refused. Default: off.
    ///
    /// A page sees neither status nor body of a refused handshake, only close code 1006. With this
    /// a request that obeys the rules and has an `Origin` is answered with 101 all the same, and
    /// then with a Close frame at once: 4400 for the hook's 400, and so 4401, 4403 and 4404, with
    /// the first line of a plain text as reason; 1013 with [`Advice`](crate::Advice) for 429 and 503, whether the
    /// answer is the hook's or that of a limit; the code of the [`Drain`](crate::Drain) while the
    /// server goes down. The handler is not called, and metrics count the status.
    ///
    /// A foreign `Origin` still gets 403. Other statuses, requests without `Origin`, and those
    /// beyond 1024 such refusals at a time get the response.
    #[must_use]
    pub const fn refuse_after_open(mut self) -> Self {
        self.refuses_after_open = true;
        self
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("rules", &self.rules)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// A request for an upgrade that obeys the rules and waits for the application's word.
#[derive(Debug)]
#[non_exhaustive]
pub struct Upgrade {
    /// The request: method, target, every header.
    pub request: Request<()>,
    /// The subprotocols that the client offered, in its order.
    pub offered: Vec<Subprotocol>,
}

impl Upgrade {
    pub(super) fn new(request: Request<()>, offered: Vec<Subprotocol>) -> Self {
        Self { request, offered }
    }

    /// Who asks.
    #[must_use]
    pub fn peer(&self) -> Option<&Peer> {
        self.request.extensions().get()
    }

    /// Accepts.
    #[must_use]
    pub fn accept(self) -> Accept {
        Accept {
            request: self.request,
            acceptance: Acceptance::default(),
        }
    }

    /// Refuses with this status and an empty body.
    #[must_use]
    pub fn refuse(self, status: StatusCode) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        response
    }
}

/// The application's yes.
#[derive(Debug)]
pub struct Accept {
    pub(super) request: Request<()>,
    pub(super) acceptance: Acceptance,
}

impl Accept {
    /// Adds a header to the 101, such as `Set-Cookie`.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.acceptance.headers.append(name, value);
        self
    }

    /// Names the subprotocol instead of the endpoint's rule; it must be one of those offered.
    #[must_use]
    pub fn subprotocol(mut self, subprotocol: Subprotocol) -> Self {
        self.acceptance.subprotocol = Some(subprotocol);
        self
    }

    /// Adds a value that the handler finds in the request's extensions.
    #[must_use]
    pub fn context<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.request.extensions_mut().insert(value);
        self
    }
}
