#include "broker/metadata/controller_state.h"

namespace millrace::metadata {

void ControllerState::apply(Offset offset, const machine::Record& record) {
  ENSURE(record.value.has_value());
  const Result<MetadataRecord> decoded = decode_record(record.value->view());
  ENSURE(decoded.has_value());
  apply(offset, *decoded);
}

void ControllerState::apply(Offset offset, const MetadataRecord& record) {
  index.apply(builder.current(), record);
  builder.apply(offset, record);
}

}  // namespace millrace::metadata
