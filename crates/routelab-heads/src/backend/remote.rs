//! Devices of another process, through Burn's remote backend.

use std::net::TcpListener;

use burn::remote::RemoteHost;
use burn::server::{RemoteServer, WebSocketTransport};
use burn::tensor::Device;

use super::{Backend, BackendError};

pub use burn::server::ServeError;

/// Connects to the server at an address and computes something there. Also returns the address.
pub(super) fn connect(address: Option<&str>) -> Result<(Device, String), BackendError> {
    let Some(address) = address.filter(|address| address.starts_with("ws://")) else {
        return Err(BackendError::NoAddress {
            given: address
                .map(|address| format!(", not `{address}`"))
                .unwrap_or_default(),
        });
    };
    let device = Device::remote_options(&RemoteHost::websocket(address)).init();
    let device = device.map_err(|error| BackendError::Unreachable {
        address: address.to_owned(),
        reason: error.to_string(),
    })?;
    Ok((device, address.to_owned()))
}

/// Serves the backend's device to other processes on `listener`, without encryption, until the process is told to stop.
///
/// # Errors
///
/// A backend that cannot be served (a remote one), or a listener that fails.
pub fn serve(backend: &Backend, listener: TcpListener) -> Result<(), ServeError> {
    RemoteServer::new([backend.device().clone()]).serve(WebSocketTransport::from_listener(listener))
}
