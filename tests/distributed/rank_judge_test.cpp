#include "../../src/distributed/rank_judge.h"

#include <gmock/gmock.h>

#include <functional>

#include "genvinci/core/error.h"

namespace genvinci {
namespace rank_judge_test {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using State = Beat::State;
using Duration = RankJudge::Duration;

TEST(Beat, IsReadAsItWasWritten) {
  const Beat beat{7, 20, 31, 2, State::kFailed, 0, "genvinci: error[X]: two words"};
  const Beat read = Beat::Parse(beat.Encode());
  EXPECT_EQ(read.Encode(), beat.Encode());
  EXPECT_EQ(read.step, 20);
  EXPECT_EQ(read.collectives, 31);
  EXPECT_EQ(read.lost, 2);
  EXPECT_EQ(read.state, State::kFailed);
  EXPECT_EQ(read.text, "genvinci: error[X]: two words");
  EXPECT_EQ(Beat::Parse(Beat{1, 2, 3, -1, State::kStopped, 15, ""}.Encode()).signal, 15);
  for (const char* bad : {"", "1 2 3", "1 2 3 -1 asleep 0 ", "x 2 3 -1 alive 0 "})
    EXPECT_THROW(Beat::Parse(bad), InternalError) << bad;
  const Verdict verdict = Verdict::Parse(Verdict{"RANK_STOPPED", "rank 1 left", 15}.Encode());
  EXPECT_EQ(verdict.name, "RANK_STOPPED");
  EXPECT_EQ(verdict.signal, 15);
  EXPECT_EQ(verdict.text, "rank 1 left");
  EXPECT_THROW(Verdict::Parse(""), InternalError);
}

// Rank 0's judge of three ranks: 1 on its host, 2 on another. Every rank beats each quarter of a second until `story`
// changes what the watch hears; the verdict is asked for at each beat until `until`.
class Scene {
 public:
  explicit Scene(int self = 0)
      : judge_({self, self == 0 ? std::vector<int>{1, 2} : std::vector<int>{0}, seconds(60)},
               {{"node0", 100, self == 0}, {"node0", 101, self == 0}, {"node1", 102, self == 2}}) {}

  struct Heard {
    Beat beat;
    bool is_silent = false, has_ended = false;
  };
  using Story = std::function<void(std::vector<Heard>& ranks, Duration now)>;

  std::optional<Verdict> Run(Duration until, const Story& story) {
    std::vector<Heard> ranks(3);
    for (Duration now{0}; now <= until; now += RankJudge::kPeriod) {
      for (Heard& rank : ranks) {
        if (!rank.is_silent) ++rank.beat.number, ++rank.beat.collectives;
      }
      story(ranks, now);
      for (int rank = 0; rank < 3; ++rank) {
        const Heard& heard = ranks[static_cast<size_t>(rank)];
        judge_.Hear(rank, heard.beat, now);
        judge_.SetEnded(rank, heard.has_ended);
      }
      judge_.Note(now);
      if (auto verdict = judge_.Judge(now)) {
        at_ = now;
        return verdict;
      }
    }
    return std::nullopt;
  }
  double seconds_at() const { return std::chrono::duration<double>(at_).count(); }
  RankJudge& judge() { return judge_; }

 private:
  RankJudge judge_;
  Duration at_{0};
};

struct Case {
  const char* what;
  Scene::Story story;
  const char* name;         // of the verdict; "": none within 100 s
  double earliest, latest;  // s
  const char* text;
  int self = 0;
};

const Scene::Story kNothing = [](auto&, Duration) {};

const Case kCases[] = {
    {"all live", kNothing, "", 0, 0, ""},
    {"one on this host has ended", [](auto& r, Duration) { r[1].is_silent = r[1].has_ended = true; }, "RANK_DEAD", 0.5,
     1, "rank 1 of 3 on node0"},
    {"one on this host is silent and lives, until the timeout", [](auto& r, Duration) { r[1].is_silent = true; },
     "RANK_HUNG", 60, 61, "has not answered for 60 s"},
    {"one on another host is silent, and nobody waits in vain", [](auto& r, Duration) { r[2].is_silent = true; },
     "RANK_HUNG", 60, 61, "rank 2 of 3 on node1"},
    {"one on another host is silent in a call that has failed elsewhere",
     [](auto& r, Duration) {
       r[2].is_silent = true;
       for (auto& rank : r) rank.beat.collectives = 5;
       r[0].beat.state = State::kStuck;
     },
     "RANK_DEAD", 3, 3.5, "rank 2 of 3 on node1"},
    {"a neighbour there says that it has ended", [](auto& r, Duration) { r[1].beat.lost = 2; }, "RANK_DEAD", 0, 0.5,
     "rank 2 of 3 on node1"},
    {"one fails and says why",
     [](auto& r, Duration) {
       r[1].beat.state = State::kFailed;
       r[1].beat.text = "genvinci: error[PATCH_READ]: cut short";
     },
     "RANK_FAILED", 0, 0.5, "error[PATCH_READ]: cut short"},
    {"one was asked to stop and the others do not follow",
     [](auto& r, Duration) {
       r[1].beat.state = State::kStopped;
       r[1].beat.signal = 15;
       r[1].is_silent = true;
     },
     "RANK_STOPPED", 2, 2.5, "was stopped by signal 15"},
    {"one is done and silent",
     [](auto& r, Duration) {
       r[1].beat.state = State::kDone;
       r[1].is_silent = r[1].has_ended = true;
       r[1].beat.collectives = 1000;
     },
     "", 0, 0, ""},
    {"one lives but begins no more collectives", [](auto& r, Duration) { r[2].beat.collectives = 3; }, "RANK_HUNG", 60,
     62, "has not come to where the others are"},
    {"one begins no more collectives and a call of another fails",
     [](auto& r, Duration) {
       r[2].beat.collectives = 1;
       r[1].beat.state = State::kStuck;
     },
     "RANK_HUNG", 1, 1.5, "rank 2 of 3 on node1"},
    {"a call fails although all have begun as many: nobody is to blame yet",
     [](auto& r, Duration) {
       for (auto& rank : r) rank.beat.collectives = 5;
       r[1].beat.state = State::kStuck;
     },
     "", 0, 0, ""},
    {"another rank than the main one judges the main one alone",
     [](auto& r, Duration) { r[1].is_silent = r[1].has_ended = true; }, "", 0, 0, "", /*self=*/2},
    {"the main rank's host is silent while this rank waits in vain",
     [](auto& r, Duration) {
       r[0].is_silent = true;
       r[2].beat.state = State::kStuck;
     },
     "RANK_DEAD", 3, 3.5, "rank 0 of 3", /*self=*/2},
    {"two at once: the first is named",
     [](auto& r, Duration) {
       r[1].is_silent = r[1].has_ended = true;
       r[2].beat.state = State::kFailed;
     },
     "RANK_FAILED", 0, 0.5, "rank 2 of 3"},
};

TEST(RankJudge, NamesWhoIsAtFaultAndWhen) {
  for (const Case& one : kCases) {
    Scene scene(one.self);
    // A while in which all is well.
    const auto verdict = scene.Run(seconds(110), [&](auto& ranks, Duration now) {
      if (now >= seconds(10)) one.story(ranks, now);
    });
    if (std::string(one.name).empty()) {
      EXPECT_FALSE(verdict) << one.what << ": " << (verdict ? verdict->text : "");
      continue;
    }
    ASSERT_TRUE(verdict) << one.what;
    EXPECT_EQ(verdict->name, one.name) << one.what;
    EXPECT_THAT(verdict->text, HasSubstr(one.text)) << one.what;
    EXPECT_GE(scene.seconds_at() - 10, one.earliest) << one.what;
    EXPECT_LE(scene.seconds_at() - 10, one.latest) << one.what;
  }
}

TEST(RankJudge, ALostNeighbourIsOneThatEndedWithoutAWord) {
  Scene scene(2);
  RankJudge& judge = scene.judge();
  judge.Hear(2, {1, 0, 0, -1, State::kAlive, 0, ""}, Duration{0});
  judge.SetEnded(2, true);
  EXPECT_FALSE(judge.IsLost(2, milliseconds(400)));  // its last beat may be on the way
  EXPECT_TRUE(judge.IsLost(2, milliseconds(600)));
  judge.Hear(2, {2, 0, 0, -1, State::kFailed, 0, "why"}, milliseconds(600));
  EXPECT_FALSE(judge.IsLost(2, seconds(5)));
}

}  // namespace rank_judge_test
}  // namespace genvinci
