#pragma once
#include <stdexcept>
#include <string>
#include <utility>

namespace tokenlense {

/// An error for the user: a stable code (see src/errors.ts), what happened, and what to do about it.
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message, std::string hint = "")
      : std::runtime_error(message), code_("ERR_TOKENLENSE_" + std::move(code)), hint_(std::move(hint)) {}
  const std::string& code() const { return code_; }
  const std::string& hint() const { return hint_; }

 private:
  std::string code_;
  std::string hint_;
};

}  // namespace tokenlense
