################################################################################
#
# kith
#
################################################################################

KITH_VERSION = 0.1.0
KITH_SOURCE = kith-$(KITH_VERSION).tar.gz
KITH_SITE = $(BR2_EXTERNAL_KITH_PATH)/../image/dist
KITH_SITE_METHOD = file
KITH_LICENSE = MIT or Apache-2.0
KITH_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE
KITH_SUBDIR = appliance/kith

# Building and installing share what was built.
KITH_CARGO_ENV = CARGO_TARGET_DIR=$(@D)/target

KITH_BOARD = $(call qstrip,$(BR2_PACKAGE_KITH_BOARD))

define KITH_SAY_WHICH_BOARD
	mkdir -p $(TARGET_DIR)/etc/kith
	echo "$(KITH_BOARD)" > $(TARGET_DIR)/etc/kith/board
endef
KITH_POST_INSTALL_TARGET_HOOKS += KITH_SAY_WHICH_BOARD

# Numbers as in appliance/kith-role/src/users.rs; only they count.
define KITH_USERS
	kith-link 901 kith-link 901 * - - kith Network
	kith-node 902 kith-node 902 * - - kith Node
	hostapd 910 hostapd 910 * - - - Access points
	wpa_supplicant 911 wpa_supplicant 911 * - - - Mesh and uplinks
	dnsmasq 912 dnsmasq 912 * - - - Names and addresses
endef

$(eval $(cargo-package))
