//! `holdwire serve`: from a checked configuration to a running server.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::banner::banner;
use crate::config::{ConfigError, Problem, ServeConfig};
use crate::http::{Site, router};
use crate::listen::listen;

/// Listens, says where, and serves until the program ends.
///
/// # Errors
/// When the server cannot start or its listeners fail.
pub fn serve(config: &ServeConfig) -> Result<(), ConfigError> {
    let broken = |error: std::io::Error| {
        ConfigError::about("serve", Problem::new(error.to_string(), "start it again"))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(broken)?;
    runtime.block_on(async {
        let listeners = listen(config).await?;
        let bound: Result<Vec<_>, _> = listeners.iter().map(TcpListener::local_addr).collect();
        let text = banner(config, &bound.map_err(broken)?);
        // Nobody may be reading standard output; the server serves all the same.
        let _ = std::io::stdout().write_all(text.as_bytes());
        run(Arc::new(Site::new(config)), listeners)
            .await
            .map_err(broken)
    })
}

/// Answers plain HTTP on the listeners.
async fn run(site: Arc<Site>, listeners: Vec<TcpListener>) -> std::io::Result<()> {
    let mut servers = JoinSet::new();
    for listener in listeners {
        let service = router(site.clone()).into_make_service_with_connect_info::<SocketAddr>();
        servers.spawn(async move { axum::serve(listener, service).await });
    }
    while let Some(ended) = servers.join_next().await {
        ended??;
    }
    Ok(())
}
