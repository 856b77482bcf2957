//! Nothing but tests: that the code in the guides compiles, and that the documents show the
//! examples as they are.

#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../docs/guide/server.md")]
    struct Server;

    #[doc = include_str!("../../docs/guide/client.md")]
    struct Client;

    #[doc = include_str!("../../docs/guide/channels.md")]
    struct Channels;

    #[doc = include_str!("../../docs/guide/heartbeat.md")]
    struct Heartbeat;

    #[doc = include_str!("../../docs/guide/deflate.md")]
    struct Deflate;

    #[doc = include_str!("../../docs/guide/reconnect.md")]
    struct Reconnect;

    #[doc = include_str!("../../docs/guide/sans-io.md")]
    struct SansIo;

    #[doc = include_str!("../../crates/line/README.md")]
    struct Crate;
}
