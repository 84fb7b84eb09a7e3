//! Arguments in, a running server out. The only place that prints and exits.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use barewire::net::Server;
use barewire::redis::parse_url;
use barewire::site::Site;

const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

fn main() -> ExitCode {
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).parse_default_env().init();
    // Its options are still to come; until then Redis is named as everywhere.
    #[expect(clippy::disallowed_methods, reason = "there is no `options` yet")]
    let url = std::env::var("REDIS_URL").ok();
    let redis = match url.as_deref().map(parse_url).transpose() {
        Ok(redis) => redis,
        Err(error) => {
            log::error!("REDIS_URL: {error}");
            return ExitCode::from(2);
        }
    };
    let site = Site { has_redis: redis.is_some(), ..Site::default() };
    match Server::bind(&[ADDRESS], redis, site).and_then(|mut server| {
        for address in server.addresses() {
            log::info!("listening on http://{address}");
        }
        server.run()
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
