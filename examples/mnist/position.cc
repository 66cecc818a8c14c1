// SPDX-License-Identifier: Apache-2.0
#include "examples/mnist/position.h"

#include <variant>

#include "ops/array/array.h"
#include "ops/state/state.h"

namespace lockstep::mnist {
namespace {

using Field = std::variant<int64_t Position::*, double Position::*>;

// The name of each field's variable: part of the checkpoint's format.
struct Named {
  const char* name;
  Field field;
};
constexpr Named kFields[] = {
    {"global_step", &Position::step},
    {"input/epoch", &Position::epoch},
    {"input/batch", &Position::batch},
    {"input/seed", &Position::seed},
    {"input/batch_size", &Position::batch_size},
    {"input/training_examples", &Position::training_examples},
    {"train/learning_rate", &Position::learning_rate},
    {"train/validation_accuracy", &Position::validation_accuracy},
    {"train/epoch_loss_sum", &Position::loss_sum},
    {"train/epoch_correct", &Position::correct},
    {"train/epoch_examples", &Position::examples},
};

}  // namespace

Status Position::CheckSameRun(const Position& wanted) const {
  const auto check = [](const char* what, int64_t mine, int64_t other) {
    return mine == other
               ? Ok()
               : InvalidArgument("--resume: the checkpoint was made with ",
                                 what, " ", mine, ", this run has ", other);
  };
  LS_RETURN_IF_ERROR(check("--batch", batch_size, wanted.batch_size));
  LS_RETURN_IF_ERROR(check("--seed", seed, wanted.seed));
  return check("training images:", training_examples, wanted.training_examples);
}

PositionVariables::PositionVariables(const Scope& scope) {
  for (const Named& named : kFields) {
    const DType dtype = named.field.index() == 0 ? kInt64 : kDouble;
    const Output v = ops::Variable(scope.WithName(named.name), dtype, Shape{});
    const std::string name = named.name;
    const Output value =
        ops::Placeholder(scope.WithName(name + "/value"), dtype, Shape{});
    const Output assign =
        ops::Assign(scope.WithName(name + "/assign"), v, value);
    variables_.push_back(v);
    values_.push_back(value);
    assigns_.push_back(assign.node);
  }
}

Status PositionVariables::Store(Session& session,
                                const Position& position) const {
  std::vector<Session::Feed> feeds;
  std::vector<std::string> targets;
  for (size_t i = 0; i < variables_.size(); ++i) {
    feeds.emplace_back(
        values_[i].name(),
        std::visit([&](auto field) { return Tensor(position.*field); },
                   kFields[i].field));
    targets.push_back(assigns_[i]->name());
  }
  return session.RunTargets(targets, feeds);
}

Result<Position> PositionVariables::Load(Session& session) const {
  std::vector<std::string> names;
  for (const Output& v : variables_) names.push_back(v.name());
  LS_ASSIGN_OR_RETURN(const std::vector<Tensor> values, session.Run({}, names));
  Position position;
  for (size_t i = 0; i < values.size(); ++i) {
    if (const auto* field =
            std::get_if<int64_t Position::*>(&kFields[i].field)) {
      position.** field = values[i].scalar<int64_t>();
    } else {
      position.*std::get<double Position::*>(kFields[i].field) =
          values[i].scalar<double>();
    }
  }
  return position;
}

}  // namespace lockstep::mnist
