/**
 * Of the messages behind `@after` and up to `@last`, those that somebody still needs: they wait for a recipient, or there is
 * a dead letter of them. A range of each queue: deliveries are found by queue and place, not by place alone.
 */
export const IS_HELD = `(
  seq IN (
    SELECT delivery.seq FROM ledger CROSS JOIN queue USING (recipient) CROSS JOIN delivery ON queue = number
    WHERE ledger.pending > 0 AND delivery.seq > @after AND delivery.seq <= @last)
  OR seq IN (SELECT seq FROM dead_letter WHERE seq > @after AND seq <= @last))`
