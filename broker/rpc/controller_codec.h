#pragma once

#include "broker/base/result.h"
#include "broker/control/controller_calls.h"

namespace millrace::rpc {
namespace v1 {
class ControllerAnswer;
class ControllerCall;
}  // namespace v1

// Messages of controller.proto. Errors of decoding: malformed.
void encode(const control::ControllerCall& from, v1::ControllerCall& to);
Result<control::ControllerCall> decode(const v1::ControllerCall& from);
void encode(const Result<control::ControllerAnswer>& from, v1::ControllerAnswer& to);
// The answer, or the error that the controller gave.
Result<control::ControllerAnswer> decode(const v1::ControllerAnswer& from);

}  // namespace millrace::rpc
