-- The carrier tells of a message by its SID, and whose conversation it belongs to is found here.
create index deliveries_of_message on guru.deliveries (message_sid);
