#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace genvinci {

// What a rank tells of itself, four times a second.
struct Beat {
  enum class State {
    kAlive,
    kStuck,    // a collective has failed; `text` says how
    kDone,     // it has left at its end
    kFailed,   // with the error line `text`
    kStopped,  // it leaves because of `signal`
  };

  int64_t number = 0, step = 0;
  int64_t collectives = 0;  // calls that it has begun
  int lost = -1;            // a rank whose process, on this one's host, has ended without a word
  State state = State::kAlive;
  int signal = 0;
  std::string text;

  std::string Encode() const;
  // InternalError BUG for what Encode does not give.
  static Beat Parse(const std::string& encoded);
};

// Why the ranks end.
struct Verdict {
  std::string name, text;  // of the error
  int signal = 0;          // of a rank that was asked to stop

  std::string Encode() const;
  static Verdict Parse(const std::string& encoded);
};

// The rules by which a rank decides, from the beats of others, that one of them is lost. No thread, store or clock:
// times are those in which the watch was there to see (AttendedClock), so that ranks that are stopped and let go on as
// a whole go on.
class RankJudge {
 public:
  using Duration = std::chrono::steady_clock::duration;

  static constexpr auto kPeriod = std::chrono::milliseconds(250);  // of beats
  // A machine that is short of processors may keep a thread waiting for a moment.
  static constexpr auto kSilence = std::chrono::seconds(3);
  static constexpr auto kGrace = std::chrono::seconds(2);

  struct Peer {
    std::string host;
    int pid = 0;
    bool is_here = false;    // on this rank's host, where it can see that a process has ended
    bool has_ended = false;  // its process, as far as this rank can see
    Beat beat = {};
    Duration heard{0};  // when `beat` came
    Duration moved{0};  // when it began another collective, or nobody had begun more
  };
  struct Rules {
    int self = 0;
    // The main rank judges all and their collectives, the others judge the main rank.
    std::vector<int> watched;
    std::chrono::duration<double> timeout{600};
  };

  RankJudge(Rules rules, std::vector<Peer> peers) : rules_(std::move(rules)), peers_(std::move(peers)) {}

  // A beat as it was read at `now`; the one that is known already means silence.
  void Hear(int rank, const Beat& beat, Duration now);
  void SetEnded(int rank, bool has_ended) { Mutable(rank).has_ended = has_ended; }
  // Whether a peer's process is worth looking at: here, and silent for longer than a beat may be late.
  bool IsSuspect(int rank, Duration now) const;
  // Among ranks that this one does not watch: a suspect that has ended without saying why.
  bool IsLost(int rank, Duration now) const;

  // Notes who holds the collectives up; before Judge, once a period.
  void Note(Duration now);
  std::optional<Verdict> Judge(Duration now) const;

  const Peer& At(int rank) const { return peers_[static_cast<size_t>(rank)]; }
  std::string Name(int rank) const;  // "rank 1 of 2 on host (pid 7, step 3)"

 private:
  Peer& Mutable(int rank) { return peers_[static_cast<size_t>(rank)]; }
  bool AnyIsStuck() const;
  std::optional<Verdict> JudgePeer(int rank, Duration now) const;
  std::optional<Verdict> JudgeCollectives(Duration now) const;

  Rules rules_;
  std::vector<Peer> peers_;
  std::optional<Duration> stuck_since_;
};

inline constexpr const char* kGoOn = "continue with --resume auto";

}  // namespace genvinci
