#pragma once

#include "broker/base/metrics.h"

namespace millrace::replication {

// What replication between brokers counts. app/ names and shows them.
struct ReplicationMetrics {
  Counter sent_bytes;           // of records, to followers
  Counter sent_catch_up_bytes;  // of them, to those that were behind
  Counter sent_messages;        // with records
  Counter received_bytes;       // of records, from leaders
  Counter truncations;          // answers of leaders that were followed
  Counter refused_truncations;  // that would have dropped what is committed
  Counter damaged_messages;     // records that did not arrive as they were stored
  Counter refetches;            // damaged records dropped here, to be fetched again
  Counter broken_links;         // either end
  Counter isr_shrinks;
  Counter isr_expands;
  Gauge refusing_partitions;  // led here, and writes are refused while the broker is isolated
  Counter refused_writes;     // because of that
};

}  // namespace millrace::replication
