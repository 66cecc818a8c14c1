// SPDX-License-Identifier: Apache-2.0
#include "distributed/lifeline.h"

#include <unistd.h>

#include <atomic>
#include <boost/asio.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <future>
#include <mutex>
#include <thread>

#include "distributed/lifeline_end.h"
#include "distributed/lifeline_net.h"
#include "distributed/process_state.h"
#include "distributed/stop_gate.h"
#include "distributed/stop_signal.h"
#include "distributed/time_setting.h"
#include "runtime/core/env.h"
#include "runtime/core/progress.h"

namespace lockstep {
namespace {

namespace asio = boost::asio;
using std::chrono::microseconds;
using std::chrono::milliseconds;

// A call that another rank's word should have ended long since.
constexpr milliseconds kFailPatience{3000};
constexpr milliseconds kSayPatience{300};
constexpr milliseconds kStopPatience{10'000};
// Between SIGTERM and the end by it: a verdict may be on its way.
constexpr uint64_t kTermMicros = 400'000;

uint64_t Now() { return Env::Default()->SteadyMicros(); }

// The process's lifeline, for its exit and its signals; null: none.
std::atomic<Lifeline*> the_lifeline{nullptr};

}  // namespace

class Lifeline::Impl final : public LifelinePort, public LifelineNet::Handler {
 public:
  Impl(int rank, std::vector<LifelinePeer> peers,
       const LifelineOptions& options, std::unique_ptr<LastWords> words)
      : rank_(rank),
        peers_(std::move(peers)),
        options_(options),
        net_(&io_, rank, static_cast<int>(peers_.size()), this),
        timer_(io_),
        core_(rank, peers_, options, this),
        main_thread_(pthread_self()),
        words_(std::move(words)) {}

  ~Impl() override {
    asio::post(io_, [this] { io_.stop(); });
    if (thread_.joinable()) thread_.join();
  }

  LifelineNet& net() { return net_; }
  bool IsNear(int rank) const {
    return peers_[static_cast<size_t>(rank)].node ==
           peers_[static_cast<size_t>(rank_)].node;
  }

  void Start() {
    end_ = std::make_unique<LifelineEnd>(rank_, peers_, main_thread_,
                                         words_.get());
    net_.Start();
    Arm();
    thread_ = std::thread([this] {
      BlockSignals();
      io_.run();
    });
  }

  // Runs `f` on the lifeline's thread and waits a while for its end.
  template <class F>
  void Say(F f, milliseconds patience = kSayPatience) {
    auto done = std::make_shared<std::promise<void>>();  // both may be the last
    std::future<void> said = done->get_future();
    asio::post(io_, [done, f = std::move(f)] {
      f();
      done->set_value();
    });
    (void)said.wait_for(patience);
  }

  void Fail(const Status& why, bool told) {
    Say([this, why, told] { core_.Fail(why, told, Now()); });
    // The verdict ends the process.
    std::this_thread::sleep_for(kFailPatience);
  }
  void Leave() {
    Say([this] { core_.Leave(); });
  }
  void Exit() {
    Say([this] { core_.Exit(); });
  }
  void Goodbye() {
    Say([this] {
      core_.Goodbye();
      words_->Note(rank_);
    });
  }

  std::shared_ptr<ReplicaMarks> TakeMarks() {
    return std::exchange(marks_to_take_, nullptr);
  }
  void TakeStopSignals() { stoppable_ = true; }
  bool StopAt(int64_t step) { return gate_.StopAt(step, kStopPatience); }

  // LifelineNet::Handler
  void OnFrame(int from, const LifelineFrame& frame) override {
    core_.OnFrame(from, frame, Now());
  }
  void OnClosed(int from) override { core_.OnClosed(from, Now()); }

  // LifelinePort
  void Send(int to, const LifelineFrame& frame) override {
    net_.Send(to, frame);
  }
  Beat Progress() override;
  char ProcessState(int rank) override {
    return lockstep::ProcessState(peers_[static_cast<size_t>(rank)].process);
  }
  std::string ProcessEnd(int rank) override {
    return lockstep::ProcessEnd(peers_[static_cast<size_t>(rank)].process);
  }
  void End(const Verdict& verdict) override { end_->Report(verdict, &net_); }
  bool HoldAt(int64_t step, int64_t* now_at) override {
    return gate_.HoldAt(step, now_at);
  }
  void Decide(int64_t step, bool holds) override { gate_.Decide(step, holds); }

 private:
  // Signals are the program's threads'.
  static void BlockSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
  }

  void Arm() {
    timer_.expires_after(microseconds(options_.beat_micros));
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      LookAtSignals();
      core_.OnTick(Now());
      Arm();
    });
  }

  void LookAtSignals() {
    const int signal = StopSignal();
    if (signal == 0) return;
    if (stoppable_) return core_.WishToStop();
    if (signal != SIGTERM) return;
    const uint64_t now = Now();
    if (term_since_ == 0) term_since_ = now;
    if (now - term_since_ >= kTermMicros) LifelineEnd::EndBySignal(signal);
  }

  asio::io_context io_{1};
  const int rank_;
  const std::vector<LifelinePeer> peers_;
  const LifelineOptions options_;
  LifelineNet net_;
  asio::steady_timer timer_;
  LifelineCore core_;
  const pthread_t main_thread_;
  const std::unique_ptr<LastWords> words_;
  std::unique_ptr<LifelineEnd> end_;
  StopGate gate_;
  // Shared with a session.
  const std::shared_ptr<ReplicaMarks> marks_ = std::make_shared<ReplicaMarks>();
  std::shared_ptr<ReplicaMarks> marks_to_take_ = marks_;
  std::atomic<bool> stoppable_ = false;
  uint64_t term_since_ = 0;
  std::thread thread_;
};

Beat Lifeline::Impl::Progress() {
  const ProgressReport now = ReadProgress();
  Beat beat{.step = now.step,
            .runs = now.runs,
            .word = now.word,
            .waits = now.waits,
            .where = now.where,
            .waiting = now.waiting,
            .marks = marks_->Read()};
  const uint64_t micros = Now();
  const uint64_t start = now.wait_start_micros;
  if (now.waits && micros > start) beat.waited_micros = micros - start;
  if (now.waits && now.wait_deadline_micros > start) {
    beat.patience_micros = now.wait_deadline_micros - start;
  }
  return beat;
}

Lifeline::Lifeline(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Lifeline::~Lifeline() {
  Lifeline* self = this;
  the_lifeline.compare_exchange_strong(self, nullptr);
  RestoreStopSignals();
}

Result<std::unique_ptr<Lifeline>> Lifeline::Open(
    int rank, std::vector<LifelinePeer> peers, const LifelineOptions& options,
    std::unique_ptr<LastWords> words) {
  return std::unique_ptr<Lifeline>(new Lifeline(std::make_unique<Impl>(
      rank, std::move(peers), options, std::move(words))));
}

Result<HubAddress> Lifeline::Listen() { return impl_->net().Listen(); }

Status Lifeline::Connect(const HubAddress& hub) {
  return impl_->net().Connect(hub, impl_->IsNear(0));
}

void Lifeline::Start() {
  impl_->Start();
  the_lifeline = this;
  lockstep::TakeStopSignals();
  static const int at_exit = std::atexit([] {
    if (Lifeline* line = the_lifeline.load()) line->impl_->Exit();
  });
  (void)at_exit;
  static const std::terminate_handler before = std::set_terminate([] {
    std::string what = "std::terminate was called";
    if (const std::exception_ptr thrown = std::current_exception()) {
      try {
        std::rethrow_exception(thrown);
      } catch (const std::exception& e) {
        what = StrCat("an exception was not caught: ", e.what());
      } catch (...) {
        what = "an exception was not caught";
      }
    }
    if (Lifeline* line = the_lifeline.load()) line->Fail(Internal(what));
    if (before != nullptr) before();
    std::abort();
  });
}

void Lifeline::Fail(const Status& why, bool told) { impl_->Fail(why, told); }
void Lifeline::Leave() { impl_->Leave(); }
void Lifeline::Goodbye() {
  impl_->Goodbye();
  the_lifeline = nullptr;
  LetTermEnd();  // with which mpirun ends ranks that wait for a dead one
}
void Lifeline::TakeStopSignals() { impl_->TakeStopSignals(); }
std::shared_ptr<ReplicaMarks> Lifeline::TakeMarks() {
  return impl_->TakeMarks();
}
bool Lifeline::StopAt(int64_t step) { return impl_->StopAt(step); }

Result<LifelineOptions> LifelineOptionsFromEnvironment(bool* wanted) {
  LifelineOptions options;
  const char* on = std::getenv("LOCKSTEP_LIFELINE");
  const std::string_view choice = on == nullptr ? "" : on;
  *wanted = choice != "0";
  if (!choice.empty() && choice != "0" && choice != "1") {
    return InvalidArgument("LOCKSTEP_LIFELINE must be 0 or 1, is '", choice,
                           "'");
  }
  LS_ASSIGN_OR_RETURN(
      options.stall_micros,
      TimeSetting("LOCKSTEP_STALL_TIMEOUT", options.stall_micros));
  return options;
}

}  // namespace lockstep
