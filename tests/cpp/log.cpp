// The log: a function of the host's, kept by the wrapper until the process ends.
#include "check.hpp"

#include <atomic>
#include <memory>

using namespace test;

int main() {
    CHECK(tme::log_init({}).code() == tme::ErrorCode::config);
    tme::LogConfig nowhere;
    nowhere.file_level = tme::LogLevel::info;
    nowhere.file_path = "/no/such/folder/tme.log";
    CHECK(tme::log_init(nowhere).code() == tme::ErrorCode::file);
    tme::LogConfig nobody;
    nobody.callback_level = tme::LogLevel::trace;
    CHECK(tme::log_init(nobody).code() == tme::ErrorCode::config);

    static std::atomic<int> lines{0};
    // What the function captures lives as long as the process; nothing may report it as lost.
    auto captured = std::make_unique<std::string>("captured");
    tme::LogConfig config;
    config.callback_level = tme::LogLevel::trace;
    config.callback = [kept = std::shared_ptr<std::string>(std::move(captured))](
                          tme::LogLevel level, std::string_view target, std::string_view text) {
        if (*kept == "captured" && level != tme::LogLevel::off && !target.empty() && !text.empty()) {
            lines += 1;
        }
    };
    must(tme::log_init(config));
    CHECK(tme::log_init(config).code() == tme::ErrorCode::already_installed);

    config.callback = nullptr;
    tme::ServerConfig server;
    server.listen = "127.0.0.1:0";
    server.is_threaded = true;
    // A server without a key of its own warns.
    must(tme::Server::start(server));
    CHECK(lines > 0);

    must(tme::log_set_level(tme::LogSink::callback, tme::LogLevel::off));
    const int before = lines;
    must(tme::Server::start(server));
    CHECK(lines == before);
    CHECK(tme::log_set_level(static_cast<tme::LogSink>(9), tme::LogLevel::off).code() ==
          tme::ErrorCode::unknown_value);
    CHECK(tme::log_lost_lines() == 0);
}
