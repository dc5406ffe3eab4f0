include $(sort $(wildcard $(BR2_EXTERNAL_KITH_PATH)/package/*/*.mk))
