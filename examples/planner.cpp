// A planner in C++: grants each image a budget, listens to the answers as they get better, and
// demands the newest one whenever it has to decide, if it is new enough to act on.
//
//   ros2 run anytime_perception planner_cpp --ros-args -p budget_ms:=20.0 -p decide_every_ms:=500
//
// Built where rclcpp is found. All calls are asynchronous, so one thread serves everything.

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <string>

#include "anytime_perception/msg/model_info.hpp"
#include "anytime_perception/msg/refinement.hpp"
#include "anytime_perception/srv/preempt.hpp"
#include "anytime_perception/srv/set_budget.hpp"
#include "rcl_interfaces/msg/parameter_descriptor.hpp"
#include "rclcpp/rclcpp.hpp"

using anytime_perception::msg::ModelInfo;
using anytime_perception::msg::Refinement;
using anytime_perception::srv::Preempt;
using anytime_perception::srv::SetBudget;

class Planner : public rclcpp::Node
{
public:
  Planner()
  : Node("planner_cpp")
  {
    const auto perception = declare_parameter("perception", "anytime_perception");
    budget_ms_ = declare_number("budget_ms", 20.0);
    max_age_ms_ = declare_number("max_age_ms", 1000.0);
    const std::chrono::duration<double, std::milli> period(
      std::max(1.0, declare_number("decide_every_ms", 500.0)));

    refinements_ = create_subscription<Refinement>(
      perception + "/refinements", 50,
      [this](const Refinement & refinement) {on_refinement(refinement);});
    set_budget_ = create_client<SetBudget>(perception + "/set_budget");
    preempt_ = create_client<Preempt>(perception + "/preempt");
    // Latched, and sent once by a node that was configured: it knows nothing of the budget then,
    // even where the node before it was killed and nobody saw it leave.
    model_info_ = create_subscription<ModelInfo>(
      perception + "/model_info", rclcpp::QoS(1).transient_local(),
      [this](const ModelInfo &) {granted_ = false;});
    timer_ = create_wall_timer(period, [this] {decide();});
  }

private:
  // A whole number will do, too: 20 as well as 20.0.
  double declare_number(const std::string & name, double value)
  {
    rcl_interfaces::msg::ParameterDescriptor descriptor;
    descriptor.dynamic_typing = true;
    descriptor.read_only = true;
    const rclcpp::ParameterValue given =
      declare_parameter(name, rclcpp::ParameterValue(value), descriptor);
    return given.get_type() == rclcpp::ParameterType::PARAMETER_INTEGER ?
           static_cast<double>(given.get<int64_t>()) : given.get<double>();
  }

  // One for each exit that answers; of each image the last says why it is the last.
  void on_refinement(const Refinement & refinement)
  {
    ++heard_;
    if (refinement.status != Refinement::REFINING) {
      RCLCPP_DEBUG(
        get_logger(), "%s (%.2f), exit %d of %d after %.1f ms", refinement.class_ids[0].c_str(),
        refinement.confidence, refinement.exit_index + 1, refinement.exit_count,
        refinement.elapsed_ms);
    }
  }

  void decide()
  {
    if (!set_budget_->service_is_ready() || !preempt_->service_is_ready()) {
      RCLCPP_INFO_THROTTLE(
        get_logger(), *get_clock(), 2000, "waiting for %s", preempt_->get_service_name());
      return;
    }
    if (!granted_) {
      grant();
    }
    // What a node that has died will never answer is not waited for.
    const auto too_old = std::chrono::system_clock::now() - std::chrono::seconds(5);
    preempt_->prune_requests_older_than(too_old);
    set_budget_->prune_requests_older_than(too_old);
    preempt_->async_send_request(
      std::make_shared<Preempt::Request>(), [this](rclcpp::Client<Preempt>::SharedFuture future) {
        const auto answer = future.get();
        if (!answer->success) {
          RCLCPP_INFO(get_logger(), "no answer: %s", answer->message.c_str());
          return;
        }
        // Where the camera has died, the newest answer may be of any age.
        if (answer->age_ms > max_age_ms_) {
          RCLCPP_WARN(
            get_logger(), "no answer: the newest is about an image that came %.1f ms ago",
            answer->age_ms);
          return;
        }
        RCLCPP_INFO(
          get_logger(), "it is a %s (%.2f), seen %.1f ms ago; %zu refinements so far",
          answer->refinement.class_ids[0].c_str(), answer->refinement.confidence, answer->age_ms,
          heard_);
      });
  }

  // Every image from now on; a node that refuses says why, and is asked again.
  void grant()
  {
    auto request = std::make_shared<SetBudget::Request>();
    request->scope = SetBudget::Request::EVERY_IMAGE;
    request->budget_ms = budget_ms_;
    granted_ = true;
    set_budget_->async_send_request(
      request, [this](rclcpp::Client<SetBudget>::SharedFuture future) {
        const auto answer = future.get();
        granted_ = answer->accepted;
        if (answer->message.empty()) {
          RCLCPP_INFO(
            get_logger(), "a budget of %.1f ms reaches exit %d", answer->budget_ms,
            answer->exit_index + 1);
        } else {  // refused, or too short at present
          RCLCPP_WARN_THROTTLE(
            get_logger(), *get_clock(), 2000, "%s", answer->message.c_str());
        }
      });
  }

  double budget_ms_;
  double max_age_ms_;
  bool granted_ = false;
  size_t heard_ = 0;
  rclcpp::Subscription<Refinement>::SharedPtr refinements_;
  rclcpp::Subscription<ModelInfo>::SharedPtr model_info_;
  rclcpp::Client<SetBudget>::SharedPtr set_budget_;
  rclcpp::Client<Preempt>::SharedPtr preempt_;
  rclcpp::TimerBase::SharedPtr timer_;
};

int main(int argc, char ** argv)
{
  rclcpp::init(argc, argv);
  int status = 0;
  try {
    rclcpp::spin(std::make_shared<Planner>());
  } catch (const std::exception & error) {  // such as a parameter that is no number
    RCLCPP_FATAL(rclcpp::get_logger("planner_cpp"), "%s", error.what());
    status = 1;
  }
  rclcpp::shutdown();
  return status;
}
