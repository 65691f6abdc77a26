//! A bug made on purpose: what a test needs to see that a panic stays inside. Never in a released library.

use crate::boundary::enter;
use crate::client::{ClientInner, TmeClient};
use crate::result::TmeResult;
use crate::server::{ServerInner, TmeServer};

/// Panics in a call on a server.
///
/// Returns: TME_ERROR_INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_test_panic_server(server: *mut TmeServer) -> TmeResult {
    enter(server, |_: &ServerInner| panic!("on purpose"))
}

/// Panics in a call on a client.
///
/// Returns: TME_ERROR_INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_test_panic_client(client: *mut TmeClient) -> TmeResult {
    enter(client, |_: &ClientInner| panic!("on purpose"))
}
