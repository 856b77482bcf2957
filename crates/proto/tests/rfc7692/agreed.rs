//! Endpoints that agreed on permessage-deflate.

use holdwire_proto::deflate::{DeflateConfig, DeflateParams, accept_offer, offer};
use holdwire_proto::extension::parse;
use holdwire_proto::{Config, Role};

use crate::common::{Endpoint, Line};

/// What an endpoint with this configuration agrees on with one like itself.
pub fn params(deflate: &DeflateConfig) -> DeflateParams {
    let offers = parse([offer(deflate)]).expect("legal");
    accept_offer(deflate, &offers).expect("acceptable").0
}

pub fn endpoint(role: Role, deflate: DeflateConfig, config: Config) -> Endpoint {
    let mut end = Endpoint::new(role, config.deflate(deflate));
    end.connection = end.connection.with_deflate(params(&deflate));
    end
}

/// Both roles without context takeover, which is the default.
pub fn both() -> [Endpoint; 2] {
    both_with(DeflateConfig::default(), &Config::default())
}

/// Both roles with context takeover in both directions.
pub fn both_keeping() -> [Endpoint; 2] {
    both_with(DeflateConfig::with_context_takeover(), &Config::default())
}

pub fn both_with(deflate: DeflateConfig, config: &Config) -> [Endpoint; 2] {
    [Role::Server, Role::Client].map(|role| endpoint(role, deflate, config.clone()))
}

pub fn line(deflate: DeflateConfig) -> Line {
    let [server, client] = both_with(deflate, &Config::default());
    Line::with(client, server)
}
