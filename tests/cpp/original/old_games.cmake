# Plays one of the old games with a process per player. Run as a script:
# cmake -DGAME=… -DPROGRAMS=… -DLAUNCHER=… -P old_games.cmake
cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND "${PROGRAMS}/original_free_port" OUTPUT_VARIABLE port COMMAND_ERROR_IS_FATAL ANY)

set(server ${LAUNCHER} "${PROGRAMS}/original_old_beacon_server")
set(client ${LAUNCHER} "${PROGRAMS}/original_old_beacon_client")
set(lobby ${LAUNCHER} "${PROGRAMS}/original_old_lobby")

# The commands run side by side. What they print goes to standard error, which is not piped to the next.
if(GAME STREQUAL "beacon")
    execute_process(
        COMMAND ${server} ${port} 3 50
        COMMAND ${client} ${port} 300 5
        COMMAND ${client} ${port} 200 16
        COMMAND ${client} ${port} 1 100
        RESULTS_VARIABLE results)
elseif(GAME STREQUAL "sleepy")
    # A second between two Updates, and more sent in it than is received in one call.
    execute_process(
        COMMAND ${server} ${port} 2 1000
        COMMAND ${client} ${port} 100 2
        COMMAND ${client} ${port} 100 20
        RESULTS_VARIABLE results)
elseif(GAME STREQUAL "lobby")
    execute_process(
        COMMAND ${lobby} serve ${port} 9
        COMMAND ${lobby} join ${port} Ada 5
        COMMAND ${lobby} join ${port} Bob 3
        COMMAND ${lobby} join ${port} Cid 1
        RESULTS_VARIABLE results)
else()
    message(FATAL_ERROR "no game is called '${GAME}'")
endif()
foreach(result IN LISTS results)
    if(NOT result STREQUAL "0")
        message(FATAL_ERROR "${GAME}: the processes ended with ${results}")
    endif()
endforeach()
