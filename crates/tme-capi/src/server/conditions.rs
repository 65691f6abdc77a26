//! Server: modelled network conditions.

use tme::PeerId;

use super::{ServerInner, TmeServer, unknown};
use crate::boundary::{enter, write_struct};
use crate::conditions::{TmeConditions, direction, no_conditions, read_conditions};
use crate::event::TmePeer;
use crate::result::{TME_OK, TmeResult};
use crate::statistics::TmeConditionStatistics;

/// Switches modelled network conditions towards a peer on, changes them, or off. They end with the connection.
///
/// Parameters: `direction`, TME_DIRECTION_…; `conditions`, NULL to switch off.
/// Returns: TME_OK; TME_ERROR_CONDITIONS; TME_ERROR_UNKNOWN_PEER; TME_ERROR_ENUM; TME_ERROR_FLAGS; TME_ERROR_POISONED;
/// TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_set_conditions(
    server: *mut TmeServer,
    peer: TmePeer,
    direction: u32,
    conditions: *const TmeConditions,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let direction = self::direction(direction)?;
        let conditions = read_conditions(conditions)?;
        let peer = PeerId::from_u64(peer);
        server.handle.peer(peer).ok_or_else(|| unknown(peer))?;
        server.handle.set_conditions(peer, direction, conditions)?;
        Ok(TME_OK)
    })
}

/// What modelled network conditions towards a peer have done.
///
/// Parameters: `direction`, TME_DIRECTION_…; `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
/// Returns: TME_OK; TME_ERROR_NO_FIGURES while none are switched on; TME_ERROR_UNKNOWN_PEER; TME_ERROR_ENUM;
/// TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_server_condition_statistics(
    server: *const TmeServer,
    peer: TmePeer,
    direction: u32,
    statistics: *mut TmeConditionStatistics,
    struct_size: usize,
) -> TmeResult {
    enter(server, |server: &ServerInner| {
        let direction = self::direction(direction)?;
        let peer = PeerId::from_u64(peer);
        server.handle.peer(peer).ok_or_else(|| unknown(peer))?;
        let figures = server.handle.condition_statistics(peer, direction).ok_or_else(no_conditions)?;
        write_struct(&TmeConditionStatistics::from(&figures), statistics, struct_size)
    })
}
