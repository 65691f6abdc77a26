// Names are looked up by threads of the game's own; a server that shuts down is polled for.
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "check.hpp"

using namespace std::chrono_literals;
using test::must;
using test::until;

namespace {

/// A job system of one thread, which is slow to begin.
class Jobs {
public:
    Jobs() : thread_([this] { work(); }) {}
    Jobs(const Jobs&) = delete;
    Jobs& operator=(const Jobs&) = delete;
    ~Jobs() {
        is_over_ = true;
        thread_.join();
    }

    tme::Executor executor() {
        return [this](tme::Job job) {
            CHECK(job);
            const std::lock_guard<std::mutex> lock(mutex_);
            waiting_.push_back(std::move(job));
        };
    }

    int run_count() const { return run_; }

private:
    void work() {
        while (!is_over_) {
            std::this_thread::sleep_for(1ms);
            std::vector<tme::Job> jobs;
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                jobs.swap(waiting_);
            }
            for (auto& job : jobs) {
                job.run();
                CHECK(!job);
                ++run_;
            }
        }
    }

    std::mutex mutex_;
    std::vector<tme::Job> waiting_;
    std::atomic<bool> is_over_{false};
    std::atomic<int> run_{0};
    std::thread thread_;
};

void a_client_finds_its_server_by_the_games_own_threads(bool is_threaded) {
    Jobs jobs;
    tme::ServerConfig server_config;
    server_config.listen = "127.0.0.1:0";
    auto server = must(tme::Server::start(server_config));
    tme::ClientConfig config;
    config.address = "localhost:" + std::to_string(server.port());
    config.server_key = must(server.public_key());
    config.is_threaded = is_threaded;
    config.executor = jobs.executor();
    auto first = must(tme::Client::start(config));
    // The copy that the client has goes along with it.
    config.executor = {};
    auto client = std::move(first);
    until("the client is connected", [&] {
        must(server.update(1ms));
        must(client.update(1ms));
        return client.is_connected();
    });
    CHECK(jobs.run_count() == 1);
    CHECK(must(client.engine_statistics()).jobs_done == 1);

    config.executor = jobs.executor();
    client = must(tme::Client::start(config));
    until("the client is connected again", [&] {
        must(server.update(1ms));
        must(client.update(1ms));
        return client.is_connected();
    });

    // A game that goes on drawing until the server has ended.
    must(server.begin_shutdown(10s, 7, tme::Bytes("until noon", 10)));
    until("the server has ended", [&] {
        for (auto& event : client.events()) {
            static_cast<void>(event);
        }
        static_cast<void>(client.update(1ms));
        return server.update(1ms).code() == tme::ErrorCode::closed;
    });
    const auto report = must(server.shutdown_report());
    CHECK(report.is_over == 1);
    CHECK(report.told + report.left == report.peers);
}

void a_job_that_is_dropped_is_a_name_not_found() {
    tme::ClientConfig config;
    config.address = "localhost:7777";
    config.executor = [](tme::Job) {};
    auto client = must(tme::Client::start(config));
    auto reason = tme::Reason::closed;
    until("the client hears of it", [&] {
        must(client.update(1ms));
        for (auto& event : client.events()) {
            if (const auto* end = std::get_if<tme::Disconnected>(&event)) {
                reason = end->reason;
            }
        }
        return reason != tme::Reason::closed;
    });
    CHECK(reason == tme::Reason::unresolved);
}

void a_querier_asks_by_the_games_own_threads() {
    Jobs jobs;
    tme::ServerConfig server_config;
    server_config.listen = "127.0.0.1:0";
    auto server = must(tme::Server::start(server_config));
    auto made = must(tme::Querier::start_with(jobs.executor(), 10s));
    auto querier = std::move(made);
    must(querier.ask("localhost:" + std::to_string(server.port())));
    std::vector<tme::Answer> answers;
    until("an answer has come", [&] {
        must(server.update(1ms));
        must(querier.update(1ms));
        answers = must(querier.answers());
        return !answers.empty();
    });
    CHECK(answers[0].info);
    CHECK(jobs.run_count() == 1);
}

} // namespace

int main() {
    a_client_finds_its_server_by_the_games_own_threads(false);
    a_client_finds_its_server_by_the_games_own_threads(true);
    a_job_that_is_dropped_is_a_name_not_found();
    a_querier_asks_by_the_games_own_threads();
    return 0;
}
