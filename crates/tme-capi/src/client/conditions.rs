//! Client: modelled network conditions.

use super::{ClientInner, TmeClient, not_connected};
use crate::boundary::{enter, write_struct};
use crate::conditions::{TmeConditions, direction, no_conditions, read_conditions};
use crate::result::{TME_OK, TmeResult};
use crate::statistics::TmeConditionStatistics;

/// Switches modelled network conditions on, changes them, or off. They end with the connection.
///
/// Parameters: `direction`, TME_DIRECTION_…; `conditions`, NULL to switch off.
/// Returns: TME_OK; TME_ERROR_CONDITIONS; TME_ERROR_NOT_CONNECTED; TME_ERROR_ENUM; TME_ERROR_FLAGS; TME_ERROR_POISONED;
/// TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_set_conditions(
    client: *mut TmeClient,
    direction: u32,
    conditions: *const TmeConditions,
) -> TmeResult {
    enter(client, |client: &ClientInner| {
        let direction = self::direction(direction)?;
        let conditions = read_conditions(conditions)?;
        if !client.handle.is_connected() {
            return Err(not_connected());
        }
        client.handle.set_conditions(direction, conditions)?;
        Ok(TME_OK)
    })
}

/// What modelled network conditions have done.
///
/// Parameters: `direction`, TME_DIRECTION_…; `statistics` of `struct_size` bytes, which must be `sizeof *statistics`.
/// Returns: TME_OK; TME_ERROR_NO_FIGURES while none are switched on; TME_ERROR_NOT_CONNECTED; TME_ERROR_ENUM;
/// TME_ERROR_POISONED; TME_ERROR_NULL; TME_ERROR_HANDLE; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_client_condition_statistics(
    client: *const TmeClient,
    direction: u32,
    statistics: *mut TmeConditionStatistics,
    struct_size: usize,
) -> TmeResult {
    enter(client, |client: &ClientInner| {
        let direction = self::direction(direction)?;
        if !client.handle.is_connected() {
            return Err(not_connected());
        }
        let figures = client.handle.condition_statistics(direction).ok_or_else(no_conditions)?;
        write_struct(&TmeConditionStatistics::from(&figures), statistics, struct_size)
    })
}
