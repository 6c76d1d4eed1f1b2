#pragma once

#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/result.h"
#include "broker/machine/record.h"
#include "broker/metadata/image_builder.h"
#include "broker/metadata/image_store.h"

namespace millrace::control {

// One entry of the metadata log holds the records of one append, applied whole or not at all. Big-endian: uint32 number
// of records, for each uint32 length and the value's bytes. Records of the metadata log have values and no keys.
Bytes encode_payload(const std::vector<machine::Record>& records);
Result<std::vector<Bytes>> decode_payload(const Bytes& payload);  // malformed; the values are slices

// The cluster as the committed log makes it: applies entries, and publishes an image after each part of them. Records
// are numbered from 0 on, without the quorum's own entries: their numbers are broker epochs and the offsets that
// heartbeats report. One thread: the quorum's apply loop.
class MetadataMachine {
 public:
  explicit MetadataMachine(metadata::ImageStore& images) : images_(images) {}

  // An entry that is committed and yet cannot be applied was written by a newer version or is damaged: corrupt,
  // malformed or unsupported_version, and this process cannot go on.
  Status apply(const Bytes& payload);
  // Makes what was applied visible; the subscribers of the image store have seen it when it returns.
  void publish();
  // Who leads the quorum, in images from the next publish() on.
  void set_controller(BrokerId leader);

  Offset next() const { return builder_.current().applied.next(); }  // number of the next record
  metadata::ImagePointer image() { return builder_.image(); }

  // The image as bytes, and back: int64 number of the last record in it, then as an entry's payload the records that
  // build it. Of the format's version the records speak themselves.
  static Bytes encode_snapshot(const metadata::ClusterImage& image);
  Status load_snapshot(const Bytes& snapshot);  // replaces everything; publishes

 private:
  metadata::ImageStore& images_;
  metadata::ImageBuilder builder_;
  bool changed_ = false;
};

}  // namespace millrace::control
