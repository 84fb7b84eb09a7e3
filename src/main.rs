//! Arguments in, a running server out. The only place that prints and exits.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use barewire::net::Server;
use barewire::site::Site;

const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

fn main() -> ExitCode {
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).parse_default_env().init();
    match Server::bind(&[ADDRESS], Site::default()).and_then(|mut server| {
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
